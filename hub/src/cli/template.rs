//! `docket-hub template`: what a person who changes slips works with. Nothing of it needs a running hub, and
//! only what concerns the chain's own folder needs its configuration.

use super::checker;
use crate::config::Config;
use crate::templates::files::{read_images, read_text};
use crate::templates::folder::{Changed, Folder, KEPT_FOLDER};
use crate::templates::is_printed;
use crate::templates::trial::Candidate;
use anyhow::Context;
use clap::{Args, Subcommand};
use docket_paper::font::Fonts;
use docket_paper::layout::{Marks, lay_out};
use docket_paper::line::Line;
use docket_paper::template::{FILE_ENDING, Template, TemplateKind, sample};
use docket_paper::text::columns;
use docket_paper::{Paper, picture, png};
use docket_protocol::document::{Align, Style};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A font that has this can draw slips.
const FONT_SAMPLE: char = '单';

#[derive(Debug, Subcommand)]
pub(super) enum TemplateCommand {
    /// 列出全部小票模板,以及生效的是哪个 / list the templates, and which are in force
    List,
    /// 检查模板文件或文件夹;不写则检查配置里的文件夹 / check a file or a folder; without one, the configured folder
    Check {
        /// 文件或文件夹 / file or folder
        path: Option<PathBuf>,
    },
    /// 用示例订单预览 / show what a sample order looks like
    Preview(Preview),
    /// 把自带模板导出到文件夹,已有的文件不动 / write this program's templates to a folder; files that are there stay
    Export {
        /// 文件夹 / folder
        folder: PathBuf,
    },
    /// What this program starts itself with.
    #[command(hide = true)]
    Try,
}

#[derive(Debug, Args)]
pub(super) struct Preview {
    /// 种类,例如 front、kitchen、label / which slip
    #[arg(value_parser = kind_of)]
    kind: TemplateKind,
    /// 模板文件;不写则用生效的 / a file; without one, what is in force
    #[arg(long)]
    file: Option<PathBuf>,
    /// 纸宽,毫米 / width of the paper in mm
    #[arg(long, default_value = "80", value_parser = paper_of)]
    paper: Paper,
    /// 另存为图片 / write a picture, too
    #[arg(long)]
    png: Option<PathBuf>,
}

fn kind_of(name: &str) -> Result<TemplateKind, String> {
    TemplateKind::from_name(name).ok_or_else(|| {
        let names = TemplateKind::ALL.map(|kind| format!("{}={}", kind.as_str(), kind.title()));
        format!("没有这种小票;可用 / no such slip; use one of: {}", names.join(" "))
    })
}

fn paper_of(width: &str) -> Result<Paper, String> {
    match width.trim_end_matches("mm") {
        "80" => Ok(Paper::Mm80),
        "58" => Ok(Paper::Mm58),
        _ => Err("纸宽是 58 或 80 / paper is 58 or 80 mm wide".into()),
    }
}

/// Does what the command says.
pub(super) fn execute(config: &Path, command: TemplateCommand) -> anyhow::Result<()> {
    match command {
        TemplateCommand::List => list(config),
        TemplateCommand::Check { path: Some(path) } => check(&path),
        TemplateCommand::Check { path: None } => check(&own_folder(config)?.context(
            "template-no-folder: 配置里没有 [templates] folder,请写明文件或文件夹 / the configuration has no [templates] \
             folder; name a file or folder",
        )?),
        TemplateCommand::Preview(preview) => show(config, &preview),
        TemplateCommand::Export { folder } => export(&folder),
        TemplateCommand::Try => anyhow::bail!("template-untried: this program tries templates with it, and nobody else"),
    }
}

/// The chain's folder, where the configuration has one.
fn own_folder(config: &Path) -> anyhow::Result<Option<PathBuf>> {
    Ok(Config::read(config)?.templates.folder)
}

/// What the configured folder says, and what of it is in force: as the hub sees it, and with the last good ones that it
/// has kept.
fn in_force(config: &Config) -> anyhow::Result<Option<(PathBuf, Changed)>> {
    let Some(folder) = config.templates.folder.clone() else { return Ok(None) };
    let kept = config.data.join(KEPT_FOLDER);
    let changed = Folder::new(folder.clone(), kept, checker()?).read_only().restored().open();
    Ok(Some((folder, changed)))
}

fn list(config: &Path) -> anyhow::Result<()> {
    let own = in_force(&Config::read(config)?)?;
    for kind in TemplateKind::ALL {
        let source = match &own {
            Some((folder, changed)) if changed.own.contains_key(&kind) => {
                match changed.refused.iter().any(|refusal| refusal.is_about(folder, kind)) {
                    true => "上一个正确的 / the last good one".to_owned(),
                    false => folder.join(kind.file()).display().to_string(),
                }
            }
            _ => "自带 / built in".to_owned(),
        };
        let unprinted =
            if is_printed(kind) { "" } else { "(还没有东西用它打印 / nothing prints it yet)" };
        println!("{:<8} {}\t{source}{unprinted}", kind.as_str(), kind.title());
    }
    for refusal in own.iter().flat_map(|(_, changed)| &changed.refused) {
        println!("✗ {}: {}", refusal.subject, refusal.detail);
    }
    Ok(())
}

/// Checks one file, or all of a folder as the hub does: all that is wrong is said, not only the first.
fn check(path: &Path) -> anyhow::Result<()> {
    let (right, wrong) = if path.is_dir() { check_folder(path)? } else { check_file(path) };
    anyhow::ensure!(
        !right.is_empty() || !wrong.is_empty(),
        "template-none: {}: 没有 *{FILE_ENDING} 文件 / no *{FILE_ENDING} files",
        path.display()
    );
    right.iter().for_each(|file| println!("✓ {file}"));
    wrong.iter().for_each(|fault| println!("✗ {fault}"));
    let wrong = wrong.len();
    anyhow::ensure!(wrong == 0, "template-wrong: {wrong} 个文件有错 / files are wrong");
    Ok(())
}

/// What is right in a folder, and what is wrong.
fn check_folder(path: &Path) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    // Nothing is kept elsewhere that would stand in for a bad file.
    let changed = Folder::new(path.to_path_buf(), path.to_path_buf(), checker()?).read_only().open();
    let right = changed.own.keys().map(|kind| path.join(kind.file()).display().to_string());
    let wrong = changed.refused.iter().map(|refusal| format!("{}: {}", refusal.subject, refusal.detail));
    Ok((right.collect(), wrong.collect()))
}

fn check_file(file: &Path) -> (Vec<String>, Vec<String>) {
    match named(file).and_then(|kind| read(kind, file)) {
        Ok(_) => (vec![file.display().to_string()], Vec::new()),
        Err(error) => (Vec::new(), vec![format!("{error:#}")]),
    }
}

/// The kind of slip that a file is for, by its name.
fn named(file: &Path) -> anyhow::Result<TemplateKind> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    kind_of(stem).map_err(|names| anyhow::anyhow!("template-unused: {}: {names}", file.display()))
}

/// Reads a template with the pictures that lie next to it, and tries it apart.
fn read(kind: TemplateKind, file: &Path) -> anyhow::Result<Template> {
    let text = read_text(file).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let images = read_images(folder).map_err(anyhow::Error::msg)?;
    let name = file.display().to_string();
    checker()?.check(&Candidate::new(kind, &name, &text, &images)).map_err(anyhow::Error::msg)?;
    Ok(Template::read(kind, name, &text, &images)?)
}

fn show(config: &Path, preview: &Preview) -> anyhow::Result<()> {
    let kind = preview.kind;
    let template = match &preview.file {
        Some(file) => Arc::new(read(kind, file)?),
        None => shown(config, kind)?,
    };
    let view = sample::preview(kind, preview.paper);
    let lines = lay_out(&template.render(&view)?, preview.paper, &Marks::default());
    for line in &lines {
        println!("{}", terminal(line, usize::from(preview.paper.columns())));
    }
    if let Some(path) = &preview.png {
        let mut fonts = Fonts::installed();
        anyhow::ensure!(
            fonts.has(FONT_SAMPLE),
            "font-missing: 没有中文字体,画不出图片;请安装 fonts-droid-fallback 或 fonts-noto-cjk / no Chinese font; install \
             fonts-droid-fallback or fonts-noto-cjk"
        );
        let image = picture::draw(&lines, preview.paper, &mut fonts);
        fs::write(path, png::encode(&image)).with_context(|| format!("template-png: {}", path.display()))?;
        eprintln!("{}", path.display());
    }
    Ok(())
}

/// What is in force; and where that is not what the folder says, why.
fn shown(config: &Path, kind: TemplateKind) -> anyhow::Result<Arc<Template>> {
    let default = || Arc::new(Template::default_of(kind));
    // Without a configuration, this program's are in force.
    if !config.exists() {
        return Ok(default());
    }
    let Some((folder, changed)) = in_force(&Config::read(config)?)? else { return Ok(default()) };
    let own = changed.own.get(&kind);
    for refusal in changed.refused.iter().filter(|refusal| refusal.is_about(&folder, kind)) {
        eprintln!("✗ {}: {}", refusal.subject, refusal.detail);
        let (zh, en) = match own {
            Some(_) => ("上一个正确的", "the last good one"),
            None => ("自带的", "the built-in one"),
        };
        eprintln!("下面是仍有效的:{zh} / shown is what is in force: {en}");
    }
    Ok(own.map_or_else(default, Arc::clone))
}

/// A line for a terminal: sizes as a note at its end, what is no text in brackets.
fn terminal(line: &Line, paper_columns: usize) -> String {
    match line {
        Line::Text { text, style, align } => {
            let scale = usize::from(style.width.max(1));
            let space = paper_columns.saturating_sub(columns(text) * scale);
            let before = match align {
                Align::Left => 0,
                Align::Center => space / 2,
                Align::Right => space,
            };
            format!("{}{text}{}", " ".repeat(before), style_note(*style))
        }
        Line::Feed(lines) => "\n".repeat(usize::from(lines.saturating_sub(1))),
        Line::Qr { data, .. } => format!("[二维码 / QR: {data}]"),
        Line::Image { image, .. } => format!("[图片 / image {}×{}]", image.width_dots, image.height_dots()),
        Line::Barcode { .. } => "[条码 / bar code]".into(),
        Line::Cut => "[切纸 / cut]".into(),
        Line::Drawer { connector } => format!("[钱箱 / drawer {connector}]"),
        Line::Buzzer { times } => format!("[蜂鸣 / buzzer {times}]"),
    }
}

fn style_note(style: Style) -> String {
    let mut notes = Vec::new();
    if (style.width, style.height) != (1, 1) {
        notes.push(format!("{}x{}", style.width, style.height));
    }
    let flags = [(style.bold, "粗"), (style.underline, "下划线"), (style.reverse, "反白")];
    notes.extend(flags.into_iter().filter(|(on, _)| *on).map(|(_, word)| word.to_owned()));
    if notes.is_empty() { String::new() } else { format!("   ‹{}›", notes.join(" ")) }
}

fn export(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("templates-folder: {}", folder.display()))?;
    for kind in TemplateKind::ALL {
        let path = folder.join(kind.file());
        let mut open = fs::OpenOptions::new();
        match open.write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                std::io::Write::write_all(&mut file, kind.default_text().as_bytes())
                    .with_context(|| format!("template-file: {}", path.display()))?;
                println!("+ {}", path.display());
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                println!("= {} 已有,未改动 / is there, not changed", path.display());
            }
            Err(error) => return Err(error).with_context(|| format!("template-file: {}", path.display())),
        }
    }
    Ok(())
}
