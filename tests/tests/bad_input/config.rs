//! Configurations and data folders that cannot be worked with: each is refused at the start, with the code
//! first, what is wrong, and what to do.

use docket_tests::chain::{Hub, HubOptions, PATIENCE, Process, Shop, program, run_to_end, wait_for};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;

const HUB: &str = "data = \"data\"\n\
    [link]\nlisten = \"127.0.0.1:0\"\ntcp_listen = \"off\"\n[http]\nlisten = \"127.0.0.1:0\"\n[console]\nlisten = \"127.0.0.1:0\"\n\
    [platforms.meituan]\nsecret = \"s\"\n\
    [platforms.meituan.callbacks]\npaid = \"https://h.example.com/a\"\ncancelled = \"https://h.example.com/b\"\n";
const AGENT: &str =
    "data = \"data\"\n[[printer]]\nname = \"front\"\naddress = \"127.0.0.1:9\"\nstations = [\"front\"]\n";

/// Runs one of our programs with a configuration; gives back what it says when it refuses.
async fn refusal(folder: &Path, name: &str, config: &str, command: &str) -> anyhow::Result<String> {
    let path = folder.join("test.toml");
    std::fs::write(&path, config)?;
    let mut program = Command::new(program(name)?);
    program.arg("--config").arg(&path).arg(command);
    let log = tempfile::NamedTempFile::new_in(folder)?;
    let mut process = Process::start(program, log.path())?;
    let status = wait_for("the program to refuse", PATIENCE, || match process.ended() {
        Ok(Some(status)) => Ok(status),
        other => Err(format!("{name} {command} runs with\n{config}\n{other:?}: {}", process.log_text())),
    })
    .await?;
    let said = process.log_text();
    anyhow::ensure!(status.code() == Some(1), "{name} {command} with\n{config}\n{status:?}: {said}");
    Ok(said)
}

/// Each is a change to a good configuration, the code, and words that must be in the refusal.
type Case<'a> = (&'a str, &'a str, &'a str, &'a [&'a str]);

async fn check(name: &str, good: &str, command: &str, cases: &[Case<'_>]) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    for (old, new, code, words) in cases {
        assert!(good.contains(old), "{old:?} is not in the configuration");
        let said = refusal(folder.path(), name, &good.replacen(old, new, 1), command).await?;
        assert!(said.contains(&format!("{name}: {code}: ")), "expected {code}: {said}");
        for word in *words {
            assert!(said.contains(word), "expected {word:?}: {said}");
        }
        assert!(!said.contains("panicked"), "{said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_refuses_a_configuration_with_its_reason() -> anyhow::Result<()> {
    let shared = "cancelled = \"https://h.example.com/a\"";
    check(
        "docket-hub",
        HUB,
        "serve",
        &[
            (
                "data = \"data\"\n",
                "data = \"data\"\ncolour = \"red\"\n",
                "config-syntax",
                &["line 2", "colour"],
            ),
            ("[http]\n", "[http]\nlisen = 1\n", "config-syntax", &["line 6", "lisen"]),
            ("data = \"data\"", "data = ", "config-syntax", &["line 1"]),
            ("listen = \"127.0.0.1:0\"", "listen = \"here\"", "config-syntax", &["line 3"]),
            ("cancelled = \"https://h.example.com/b\"", shared, "config-value", &["callbacks", "/a"]),
            ("https://h.example.com/a", "h.example.com/a", "config-value", &["callbacks", "URL"]),
            ("https://h.example.com/a", "https://h.example.com", "config-value", &["callbacks", "path"]),
            ("secret = \"s\"\n", "", "config-value", &["platforms.meituan.secret", "secret_file"]),
            ("secret = \"s\"", "secret = \" \"", "config-value", &["platforms.meituan.secret", "empty"]),
            (
                "secret = \"s\"",
                "secret_file = \"none\"",
                "config-value",
                &["platforms.meituan.secret", "none"],
            ),
            (
                "[console]\nlisten = \"127.0.0.1:0\"",
                "[console]\nlisten = \"0.0.0.0:0\"",
                "config-value",
                &["console.listen", "127.0.0.1"],
            ),
            (
                "data = \"data\"\n",
                "data = \"data\"\nretention_days = 1\n",
                "config-value",
                &["retention_days"],
            ),
            (
                "[http]\n",
                "[http]\nconnections_of_address_max = 0\n",
                "config-value",
                &["http.connections_of_address_max", "1 to 4096"],
            ),
            ("data = \"data\"", "data = \"/proc/docket\"", "data-folder", &["/proc/docket"]),
            (
                "[http]\n",
                "[http]\ntls = { certificate = \"none.pem\", key = \"none.pem\" }\n",
                "http-tls",
                &["none.pem", "[http.tls]"],
            ),
        ],
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_refuses_a_configuration_with_its_reason() -> anyhow::Result<()> {
    let second = "[[printer]]\nname = \"front\"\naddress = \"h\"\n[[printer]]\n";
    let undecided = "[[printer]]\nname = \"bar\"\naddress = \"h\"\n[[printer]]\n";
    let shared =
        "[[printer]]\nname = \"bar\"\naddress = \"h\"\ndefault = true\nstations = [\"front\"]\n[[printer]]\n";
    let one_port = "address = \"serial:COM3\"\n\
        [[printer]]\nname = \"bar\"\naddress = \"serial:COM3?baud=19200\"\n[[printer]]\nname = \"back\"\naddress = \"h\"";
    check(
        "docket-agent",
        AGENT,
        "check-config",
        &[
            (
                "data = \"data\"\n",
                "data = \"data\"\ncolour = \"red\"\n",
                "config-syntax",
                &["line 2", "colour", "改正"],
            ),
            (
                "name = \"front\"\n",
                "name = \"front\"\nadress = \"\"\n",
                "config-syntax",
                &["line 4", "adress"],
            ),
            (
                "[[printer]]\n",
                "[page]\nlisten = \"0.0.0.0:9180\"\n[[printer]]\n",
                "config-value",
                &["page.listen", "lan = true"],
            ),
            (
                "[[printer]]\n",
                "[page]\nsearch = [\"10.0.0.0/8\"]\n[[printer]]\n",
                "config-syntax",
                &["line 3", "10.0.0.0/8", "网段"],
            ),
            ("name = \"front\"", "name = \" \"", "config-value", &["printer 1", "没有名称", "name"]),
            (
                "stations = [",
                "stations = [\"\\u0007\", ",
                "config-value",
                &["printer front", "档口", "控制字符", "station"],
            ),
            (
                "stations",
                "profile = { model = \"none\" }\nstations",
                "config-value",
                &["printer front profile", "不认识型号", "is not known"],
            ),
            ("address = \"127.0.0.1:9\"", "address = \"\"", "config-syntax", &["line 4", "address"]),
            ("127.0.0.1:9", "127.0.0.1:ipp", "config-syntax", &["line 4", "ipp", "1 to 65535"]),
            ("127.0.0.1:9", "COM3", "config-syntax", &["line 4", "serial:COM3"]),
            (
                "127.0.0.1:9",
                "spooler:Kitchen",
                "config-value",
                &["printer front", "spooler:Kitchen", "操作系统", "system"],
            ),
            ("address = \"127.0.0.1:9\"", one_port, "config-value", &["printer bar", "printer front"]),
            ("stations", "paper_mm = 76\nstations", "config-value", &["printer front", "纸宽", "58", "80"]),
            ("[[printer]]\n", second, "config-value", &["printer front", "taken"]),
            ("[[printer]]\n", undecided, "config-value", &["default = true"]),
            ("[[printer]]\n", shared, "config-value", &["station front"]),
            ("stations", "backup = \"front\"\nstations", "config-value", &["printer front", "own backup"]),
            ("stations", "backup = \"bar\"\nstations", "config-value", &["printer front", "backup bar"]),
            (
                "data = \"data\"\n",
                "data = \"data\"\n[printing]\nbackup_after_s = -1\n",
                "config-syntax",
                &["line 3"],
            ),
        ],
    )
    .await?;
    check("docket-agent", AGENT, "run", &[("data", "data", "not-enrolled", &["docket-agent enrol", "注册"])])
        .await?;
    let folder = tempfile::tempdir()?;
    let missing = run_to_end(
        Command::new(program("docket-agent")?).arg("--config").arg(folder.path().join("no.toml")).arg("run"),
    )?;
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(
        missing.status.code() == Some(1) && said.contains("config-file: ") && said.contains("--config"),
        "{said}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_named() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (tcp, udp) = (TcpListener::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    let (tcp, udp_at) = (tcp.local_addr().map(|at| (at.to_string(), tcp))?, udp.local_addr()?.to_string());
    let cases = [
        ("[link]", udp_at.as_str(), "link-listen: UDP"),
        ("[http]", tcp.0.as_str(), "http-listen: TCP"),
        ("[console]", tcp.0.as_str(), "http-listen: TCP"),
    ];
    for (section, address, code) in cases {
        let free = format!("{section}\nlisten = \"127.0.0.1:0\"");
        let config = HUB.replacen(&free, &format!("{section}\nlisten = \"{address}\""), 1);
        let said = refusal(folder.path(), "docket-hub", &config, "serve").await?;
        assert!(said.contains(&format!("docket-hub: {code} {address}")), "{section}: {said}");
        assert!(said.contains("choose another"), "{said}");
    }
    let config = HUB.replacen("\"off\"", &format!("{:?}", tcp.0), 1);
    let said = refusal(folder.path(), "docket-hub", &config, "serve").await?;
    assert!(said.contains(&format!("docket-hub: link-tcp-listen: TCP {}", tcp.0)), "{said}");
    assert!(said.contains("tcp_listen"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_belongs_to_one_hub_and_to_its_version() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut hub = Hub::start(folder.path(), HubOptions::default()).await?;
    hub.add_store(Shop::STORE, "测试面馆")?;
    let config = HUB.replacen("data = \"data\"", &format!("data = {:?}", hub.data()), 1);
    let other = folder.path().join("other");
    std::fs::create_dir_all(&other)?;
    let said = refusal(&other, "docket-hub", &config, "serve").await?;
    assert!(said.contains("docket-hub: data-folder-in-use: "), "{said}");
    assert_eq!(hub.process().ended()?, None);
    hub.overview().await?;

    hub.process().end()?;
    hub.tamper()?.execute_batch("PRAGMA user_version = 99")?;
    let said = refusal(&other, "docket-hub", &config, "serve").await?;
    assert!(said.contains("docket-hub: storage-newer: ") && said.contains("update the hub"), "{said}");
    assert_eq!(hub.ledger()?.number("SELECT count(*) FROM stores")?, 1, "nothing was touched");
    Ok(())
}
