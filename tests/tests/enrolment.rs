//! Who an agent is: codes, certificates, revoking, a new PC, a copied or a lost data folder.

mod certificates;
mod codes;
mod foreign;
mod identity;
mod relay;
mod replaced;

use std::process::Output;

/// A refusal as people get it: exit status 1, the code first, then cause and remedy in both languages.
fn assert_refused(output: &Output, code: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{code}: {said}");
    assert!(said.contains(&format!("docket-agent: {code}: ")), "expected {code}: {said}");
    let chinese = said.chars().any(|c| ('\u{4E00}'..='\u{9FFF}').contains(&c));
    assert!(chinese, "{code} without words in Chinese: {said}");
}
