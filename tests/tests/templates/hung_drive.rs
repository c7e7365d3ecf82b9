//! The folder of templates on a drive that does not answer.

use super::{Chain, until_alarms};
use docket_tests::hung_drive::HungDrive;
use std::fs;

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_starts_prints_and_ends_while_its_folder_does_not_answer() -> anyhow::Result<()> {
    let mut chain = Chain::open().await?;
    fs::create_dir(chain.slips())?;
    // Two at once: when the bad one is told, the good one is in force.
    fs::write(chain.slips().join("label.jinja"), "[x] y")?;
    chain.save("我家 #{{ pickup }}\n")?;
    until_alarms(&chain.shop.hub, &[("template-refused", "label.jinja", "label.jinja:1")]).await?;
    chain.shop.hub.process().end()?;

    let mut drive = HungDrive::mount(&chain.slips())?;
    chain.shop.hub.restart().await?;
    assert_eq!(chain.first_line().await?, "我家 #N", "the last good one");
    until_alarms(&chain.shop.hub, &[("template-refused", "slips", "does not answer")]).await?;
    assert_eq!(chain.first_line().await?, "我家 #N");
    assert!(chain.shop.hub.process().end()?.success(), "nothing waits for the drive");

    chain.shop.hub.restart().await?;
    until_alarms(&chain.shop.hub, &[("template-refused", "slips", "does not answer")]).await?;
    drive.break_off();
    until_alarms(&chain.shop.hub, &[("template-refused", "slips", "os error")]).await?;
    assert_eq!(chain.first_line().await?, "我家 #N");
    drop(drive);
    until_alarms(&chain.shop.hub, &[("template-refused", "label.jinja", "label.jinja:1")]).await?;
    assert_eq!(chain.first_line().await?, "我家 #N");
    Ok(())
}
