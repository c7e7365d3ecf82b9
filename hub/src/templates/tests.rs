//! A chain's folder as it is edited, broken, mended and taken away.

use super::files::IMAGES_MAX;
use super::folder::{Changed, Folder, KEPT_FOLDER, restore};
use super::guard::Guard;
use super::trial::{Candidate, Checker, UNTRIED};
use super::{Own, Templates};
use docket_paper::template::{Images, Part, Slip, Template, TemplateKind, sample};
use docket_protocol::document::Block;
use docket_protocol::frame::{FRAME_BYTES_MAX, payload};
use docket_protocol::ids::UnixMs;
use docket_protocol::order::{Dish, Order};
use docket_routing::templates::Witness as _;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// A 1×1 PNG, black.
const DOT: &[u8] = &[
    0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52, 0, 0, 0, 1, 0, 0, 0,
    1, 8, 0, 0, 0, 0, 0x3A, 0x7E, 0x9B, 0x55, 0, 0, 0, 10, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9C, 0x63, 0x60, 0,
    0, 0, 2, 0, 1, 0x48, 0xAF, 0xA4, 0x71, 0, 0, 0, 0, 0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42, 0x60, 0x82,
];

/// Tries templates in this process: those of these tests end.
#[derive(Debug)]
struct Here;

impl Checker for Here {
    fn check(&self, candidate: &Candidate) -> Result<(), String> {
        candidate.check()
    }
}

struct Chain {
    root: TempDir,
    /// Each change has a later time than the one before, however coarse the file system's clock is.
    changes: u64,
}

impl Chain {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        fs::create_dir(root.path().join("slips")).unwrap();
        Chain { root, changes: 0 }
    }

    fn slips(&self) -> PathBuf {
        self.root.path().join("slips")
    }

    fn write(&mut self, name: &str, content: &[u8]) {
        let path = self.slips().join(name);
        fs::write(&path, content).unwrap();
        self.changes += 1;
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + self.changes);
        fs::File::options().append(true).open(&path).unwrap().set_modified(at).unwrap();
    }

    fn kept(&self) -> PathBuf {
        self.root.path().join(KEPT_FOLDER)
    }

    /// As a hub does that starts.
    fn open(&self) -> (Folder, Changed, Templates) {
        let mut folder = Folder::new(self.slips(), self.kept(), Arc::new(Here)).restored();
        let changed = folder.open();
        let templates = Templates::default();
        templates.put_in_force(changed.own.clone());
        (folder, changed, templates)
    }
}

/// What is printed first on a kitchen slip.
fn first_line(templates: &Templates) -> String {
    let order = sample::full();
    let rendered = render(templates, &order);
    assert_eq!(rendered.failure, None);
    match &rendered.document.blocks[0] {
        Block::Text { text, .. } => text.clone(),
        other => format!("{other:?}"),
    }
}

fn render(templates: &Templates, order: &Order) -> super::Rendered {
    let parts = [Part { station: "热菜", dishes: order.dishes.iter().collect() }];
    templates.render(&Slip {
        kind: TemplateKind::Kitchen,
        order,
        store: "人民路店",
        station: "热菜",
        parts: &parts,
        made_at: UnixMs(0),
        reason: "",
        table: "",
        piece: (1, 1),
    })
}

/// Two looks: the first sees the change, the second that it is still the same.
fn look(folder: &mut Folder, templates: &Templates) -> Option<Vec<(String, String)>> {
    assert!(folder.look().is_none(), "a change counts once it is still");
    let changed = folder.look()?;
    templates.put_in_force(changed.own);
    Some(changed.refused.into_iter().map(|refusal| (refusal.subject, refusal.detail)).collect())
}

#[test]
fn without_files_slips_are_this_programs() {
    let chain = Chain::new();
    let (mut folder, changed, templates) = chain.open();
    assert!(changed.own.is_empty() && changed.refused.is_empty());
    assert_eq!(first_line(&templates), "美团外卖 #17");
    assert!(folder.look().is_none());
}

#[test]
fn a_file_overrides_and_a_change_takes_effect() {
    let mut chain = Chain::new();
    chain.write("kitchen.jinja", b"one #{{ pickup }}");
    let (mut folder, changed, templates) = chain.open();
    assert!(changed.refused.is_empty());
    assert_eq!(first_line(&templates), "one #17");
    assert!(folder.look().is_none(), "nothing has changed");
    chain.write("kitchen.jinja", b"two #{{ pickup }}");
    assert_eq!(look(&mut folder, &templates), Some(Vec::new()));
    assert_eq!(first_line(&templates), "two #17");
    chain.write("readme.txt", b"slips of this program");
    fs::remove_file(chain.slips().join("kitchen.jinja")).unwrap();
    assert_eq!(look(&mut folder, &templates), Some(Vec::new()));
    assert_eq!(first_line(&templates), "美团外卖 #17");
    let (_, _, templates) = chain.open();
    assert_eq!(first_line(&templates), "美团外卖 #17", "a file that was removed stays so");
}

#[test]
fn a_bad_file_is_refused_and_the_last_good_one_stays_across_restarts() {
    let mut chain = Chain::new();
    chain.write("kitchen.jinja", b"good #{{ pickup }}");
    let (mut folder, _, templates) = chain.open();
    for (bad, says) in [
        ("a\n[bigg] b", "template-brackets: kitchen.jinja:2: "),
        ("a\nb\n{{ pikup }}", "template-name: kitchen.jinja:3: "),
        ("{% for", "template-syntax: kitchen.jinja:1: "),
        ("", "template-blank: kitchen.jinja: "),
    ] {
        chain.write("kitchen.jinja", bad.as_bytes());
        let refused = look(&mut folder, &templates).unwrap();
        let [(subject, detail)] = refused.as_slice() else { panic!("{refused:?}") };
        assert_eq!(subject, "kitchen.jinja");
        assert!(detail.starts_with(says), "{detail}");
        assert_eq!(first_line(&templates), "good #17");
        let (_, changed, restarted) = chain.open();
        assert_eq!(changed.refused.len(), 1, "a restart says it again");
        assert_eq!(first_line(&restarted), "good #17");
    }
    chain.write("kitchen.jinja", &[b'a', b'\n', 0xFF]);
    let refused = look(&mut folder, &templates).unwrap();
    assert!(
        refused[0].1.starts_with("template-encoding: ") && refused[0].1.contains("line 2"),
        "{refused:?}"
    );
    chain.write("kitchen.jinja", "x".repeat(100_000).as_bytes());
    assert!(look(&mut folder, &templates).unwrap()[0].1.starts_with("template-size: "));
    assert_eq!(first_line(&templates), "good #17");
    chain.write("kitchen.jinja", b"mended #{{ pickup }}");
    assert_eq!(look(&mut folder, &templates), Some(Vec::new()));
    assert_eq!(first_line(&templates), "mended #17");
}

#[test]
fn a_file_that_is_bad_from_the_start_leaves_this_programs_in_force() {
    let mut chain = Chain::new();
    chain.write("kitchen.jinja", b"[x] y");
    chain.write("kitchn.jinja", b"y");
    let (_, changed, templates) = chain.open();
    let subjects: Vec<&str> = changed.refused.iter().map(|refusal| refusal.subject.as_str()).collect();
    assert_eq!(subjects, ["kitchen.jinja", "kitchn.jinja"], "one is wrong, one is nobody's");
    assert_eq!(first_line(&templates), "美团外卖 #17");
}

#[test]
fn a_folder_that_is_gone_changes_nothing() {
    let mut chain = Chain::new();
    chain.write("kitchen.jinja", b"own #{{ pickup }}");
    let (mut folder, _, templates) = chain.open();
    let away = chain.root.path().join("away");
    fs::rename(chain.slips(), &away).unwrap();
    let changed = folder.look().expect("it is said once");
    assert!(changed.refused[0].detail.starts_with("templates-folder: "), "{changed:?}");
    templates.put_in_force(changed.own);
    assert_eq!(first_line(&templates), "own #17");
    assert!(folder.look().is_none(), "and not again");
    let (_, changed, restarted) = chain.open();
    assert_eq!(changed.refused.len(), 1);
    assert_eq!(first_line(&restarted), "own #17", "nor does a restart without it");
    fs::rename(away, chain.slips()).unwrap();
    assert_eq!(look(&mut folder, &templates), Some(Vec::new()), "it is back, and all is well");
    assert_eq!(first_line(&templates), "own #17");
}

#[test]
fn a_mount_point_without_its_drive_changes_nothing() {
    let mut chain = Chain::new();
    chain.write("kitchen.jinja", b"own #{{ pickup }}");
    let (mut folder, _, templates) = chain.open();
    fs::remove_file(chain.slips().join("kitchen.jinja")).unwrap();
    let changed = folder.look().expect("it is said once");
    assert!(changed.refused[0].detail.contains("mounted"), "{changed:?}");
    templates.put_in_force(changed.own);
    assert_eq!(first_line(&templates), "own #17");
    let (_, changed, restarted) = chain.open();
    assert!(changed.refused[0].detail.contains("mounted"), "{changed:?}");
    assert_eq!(first_line(&restarted), "own #17", "nor does a restart");
    chain.write("readme.txt", b"slips of this program");
    let (_, changed, restarted) = chain.open();
    assert_eq!((changed.refused, first_line(&restarted).as_str()), (vec![], "美团外卖 #17"));
}

#[test]
fn what_is_beyond_a_bound_is_said() {
    let mut chain = Chain::new();
    chain.write("kitchen.jinja", b"own #{{ pickup }}");
    for number in 0..=IMAGES_MAX {
        chain.write(&format!("dot-{number:02}.png"), DOT);
    }
    let (_, changed, templates) = chain.open();
    let [refusal] = &changed.refused[..] else { panic!("{changed:?}") };
    assert_eq!(refusal.subject, "dot-16.png");
    assert!(refusal.detail.starts_with("template-pictures: "), "{refusal:?}");
    assert_eq!(first_line(&templates), "own #17");
    for number in 0..1_000 {
        chain.write(&format!("note-{number}.txt"), b"");
    }
    let (_, changed, templates) = chain.open();
    let [refusal] = &changed.refused[..] else { panic!("{changed:?}") };
    assert!(refusal.detail.starts_with("templates-folder: "), "{refusal:?}");
    assert_eq!(first_line(&templates), "own #17", "nothing changes");
}

#[test]
fn pictures_are_kept_as_well() {
    let mut chain = Chain::new();
    chain.write("dot.png", DOT);
    chain.write("kitchen.jinja", "[图片 dot]".as_bytes());
    let (mut folder, changed, templates) = chain.open();
    assert_eq!(changed.refused, []);
    assert!(first_line(&templates).starts_with("Image"));
    chain.write("dot.png", b"no picture");
    let refused = look(&mut folder, &templates).unwrap();
    assert_eq!(refused[0].0, "dot.png");
    assert!(first_line(&templates).starts_with("Image"));
    let (_, _, restarted) = chain.open();
    assert!(first_line(&restarted).starts_with("Image"), "the last good picture, too");
    fs::remove_file(chain.slips().join("dot.png")).unwrap();
    let refused = look(&mut folder, &templates).unwrap();
    assert!(refused[0].1.starts_with("template-image: kitchen.jinja:1: "), "{refused:?}");
    assert!(first_line(&templates).starts_with("Image"), "the last good template has its picture");
    let (_, _, restarted) = chain.open();
    assert!(first_line(&restarted).starts_with("Image"), "and keeps it");
}

#[test]
fn a_template_that_fails_with_an_order_gives_way_for_that_slip() {
    // No sample order has a price like this.
    let text = "own\n{% if total == '6.66' %}{{ note.nothing.at.all }}{% endif %}";
    let template = Template::check(TemplateKind::Kitchen, "kitchen.jinja", text, &Images::new()).unwrap();
    let templates = Templates::default();
    templates.put_in_force(Own::from([(TemplateKind::Kitchen, Arc::new(template))]));
    assert_eq!(first_line(&templates), "own");
    let order = Order { total: docket_protocol::ids::Fen(666), ..sample::full() };
    let rendered = render(&templates, &order);
    let failure = rendered.failure.unwrap();
    assert_eq!((failure.file.as_str(), failure.line), ("kitchen.jinja", 2));
    let default = render(&Templates::default(), &order);
    assert_eq!(rendered.document, default.document, "it looks as it would without one");
}

#[test]
fn an_order_beyond_all_bounds_is_a_plain_list() {
    let beyond = |dishes: usize, name: &str| {
        let dish =
            Dish { name: name.into(), choices: vec!["少冰".into()], ..sample::full().dishes[0].clone() };
        let order = Order { dishes: vec![dish; dishes], ..sample::full() };
        let rendered = render(&Templates::default(), &order);
        assert_eq!(rendered.failure.unwrap().code(), "template-bound");
        assert!(payload(&rendered.document).len() < FRAME_BYTES_MAX);
        let text = format!("{:?}", rendered.document);
        (text.matches(&format!("×2 {name}")).count(), text.contains("未打完"))
    };
    assert_eq!(beyond(2_200, "面"), (2_200, false));
    let (dishes, is_cut) = beyond(400, &"面".repeat(200));
    assert!(dishes > 200 && is_cut, "what does not fit the link is said to be missing");
}

#[test]
fn a_command_beside_the_hub_has_its_slips_and_writes_nothing() {
    let mut chain = Chain::new();
    chain.write("kitchen.jinja", b"own #{{ pickup }}");
    let look = || Folder::new(chain.slips(), chain.kept(), Arc::new(Here)).read_only().restored().open();
    assert_eq!((look().refused, look().own.len()), (vec![], 1));
    assert!(restore(&chain.kept()).own.is_empty() && !chain.kept().exists());
    let (_, _, served) = chain.open();
    assert_eq!(first_line(&served), "own #17");
    fs::write(chain.slips().join("kitchen.jinja"), "[x]").unwrap();
    assert_eq!((look().refused.len(), look().own.len()), (1, 1));
    let templates = Templates::default();
    templates.put_in_force(restore(&chain.kept()).own);
    assert_eq!(first_line(&templates), "own #17", "what the hub has kept");
    fs::write(chain.slips().join("readme.txt"), "").unwrap();
    fs::remove_file(chain.slips().join("kitchen.jinja")).unwrap();
    assert!(look().own.is_empty() && chain.kept().join("kitchen.jinja").exists());
}

#[test]
fn what_could_not_be_tried_is_tried_again_and_what_was_tried_is_not() {
    #[derive(Debug, Default)]
    struct Busy(Mutex<u32>);
    impl Checker for Busy {
        fn check(&self, candidate: &Candidate) -> Result<(), String> {
            let mut tries = self.0.lock().unwrap();
            *tries += 1;
            if *tries < 3 { Err(format!("{UNTRIED}: no memory")) } else { candidate.check() }
        }
    }
    let mut chain = Chain::new();
    chain.write("kitchen.jinja", b"own #{{ pickup }}");
    let busy = Arc::new(Busy::default());
    let mut folder = Folder::new(chain.slips(), chain.kept(), Arc::clone(&busy) as Arc<dyn Checker>);
    let changed = folder.open();
    assert!(changed.own.is_empty() && changed.refused[0].detail.starts_with(UNTRIED), "{changed:?}");
    assert!(folder.look().is_none(), "it is said once");
    let changed = folder.look().expect("it was tried");
    assert_eq!((changed.own.len(), changed.refused), (1, vec![]));
    chain.write("label.jinja", b"label #{{ pickup }}");
    assert!(folder.look().is_none());
    assert_eq!(folder.look().unwrap().own.len(), 2);
    assert_eq!(*busy.0.lock().unwrap(), 4, "the other kind was not tried again");
}

#[test]
fn what_a_hub_has_ended_over_is_out_of_force_until_it_is_changed() {
    let mut chain = Chain::new();
    chain.write("kitchen.jinja", b"own #{{ pickup }}");
    chain.write("label.jinja", b"label");
    let (_, _, templates) = chain.open();
    let guard = Guard::open(&chain.kept()).unwrap();
    templates.be_heard_by(guard.clone());
    assert_eq!(first_line(&templates), "own #17");
    let _next = Guard::open(&chain.kept()).unwrap();
    assert_eq!(restore(&chain.kept()).own.len(), 2, "that one came to its end");

    guard.begins(TemplateKind::Kitchen);
    for _restart in 0..2 {
        let _next = Guard::open(&chain.kept()).unwrap();
        let (_, changed, templates) = chain.open();
        assert!(changed.refused[0].detail.starts_with("template-bound: kitchen.jinja: "), "{changed:?}");
        assert_eq!((changed.own.len(), first_line(&templates).as_str()), (1, "美团外卖 #17"));
    }
    chain.write("kitchen.jinja", b"mended #{{ pickup }}");
    for _restart in 0..2 {
        let _next = Guard::open(&chain.kept()).unwrap();
        let (_, changed, templates) = chain.open();
        assert_eq!((changed.refused, first_line(&templates).as_str()), (vec![], "mended #17"));
    }
}

/// Who opens a pipe waits for its other end.
#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_refused_and_waited_for_by_nobody() {
    let mut chain = Chain::new();
    chain.write("kitchen.jinja", b"own #{{ pickup }}");
    let (mut folder, _, templates) = chain.open();
    let file = chain.slips().join("kitchen.jinja");
    fs::remove_file(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    fs::create_dir(chain.slips().join("logo.png")).unwrap();
    let refused = look(&mut folder, &templates).unwrap();
    let subjects: Vec<&str> = refused.iter().map(|(subject, _)| subject.as_str()).collect();
    assert_eq!(subjects, ["logo.png", "kitchen.jinja"]);
    assert!(refused.iter().all(|(_, detail)| detail.starts_with("template-file: ")), "{refused:?}");
    assert_eq!(first_line(&templates), "own #17", "the last good one");
}

/// Root may read everything: then there is nothing to be mended.
#[cfg(unix)]
#[test]
fn a_file_that_can_be_read_again_is_read_without_another_change() {
    use std::os::unix::fs::PermissionsExt;
    let mut chain = Chain::new();
    chain.write("kitchen.jinja", b"own #{{ pickup }}");
    let file = chain.slips().join("kitchen.jinja");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    let (mut folder, changed, templates) = chain.open();
    if fs::File::open(&file).is_err() {
        assert!(changed.refused[0].detail.starts_with("template-file: "), "{changed:?}");
        assert!(folder.look().is_none(), "it is said once");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let changed = folder.look().expect("it can be read now");
        assert_eq!(changed.refused, []);
        templates.put_in_force(changed.own);
    }
    assert_eq!(first_line(&templates), "own #17");
}
