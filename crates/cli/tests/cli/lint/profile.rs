//! `lint --profile`: what FAPI asks, with its clauses.

use serde_json::Value;

use super::commented::check;
use crate::support::repository;
use crate::{code, file, run, text, value};

/// The first line of each file of `tests/profile` names the profile.
#[test]
fn profiles_are_checked_clause_by_clause() {
    let profile = |content: &str| {
        let (profile, _) = content.split_once(':').expect("the first line names a profile");
        vec!["--profile".to_owned(), profile.trim_start_matches("# ").to_owned()]
    };
    let (right, wrong) = check("tests/profile", profile);
    assert!(right >= 4 && wrong >= 10, "{right} right, {wrong} wrong");
}

/// Without the option nothing of a profile is reported, and with it what cannot be seen is.
#[test]
fn what_is_not_visible_is_listed() {
    let clients = repository().join("envoy/clients.json");
    let clients = clients.to_str().expect("UTF-8");
    let plain = text(&run(&["lint", clients]));
    assert!(!plain.contains("FAPI") && !plain.contains("not visible"), "{plain}");
    let output = run(&["lint", clients, "--profile", "fapi2", "--format", "json"]);
    let found = value(&output);
    let message = |finding: &Value| finding["message"].as_str().unwrap_or_default().to_owned();
    let hidden: Vec<String> = found
        .as_array()
        .into_iter()
        .flatten()
        .map(message)
        .filter(|message| message.starts_with("not visible: "))
        .collect();
    assert_eq!(hidden.len(), 3, "{hidden:#?}");
    for wanted in ["of the listener", "§5.3.2.1-4 and -5", "what the authorization server itself"]
    {
        assert!(hidden.iter().any(|message| message.contains(wanted)), "{wanted}: {hidden:#?}");
    }
    // Where the filter itself enforces bound tokens, that is visible.
    let enforced = file(
        "profile/enforced.json",
        r#"{"endpoints": ["/token", "/par"], "bound_tokens": {"response_check": "enforce"},
            "clients": [{"client_id": "a", "token_endpoint_auth_method": "private_key_jwt"}]}"#,
    );
    let printed = text(&run(&["lint", &enforced, "--profile", "fapi2"]));
    assert!(!printed.contains("whether the server binds"), "{printed}");
    assert_eq!(code(&run(&["lint", clients, "--profile", "fapi3"])), 2);
}
