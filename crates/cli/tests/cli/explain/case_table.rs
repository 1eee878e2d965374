//! The case tables, as `explain` shows them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::case::{Case, table};
use crate::{code, file, run};

/// Whether the arguments of a program can say what the case says.
fn is_sayable(case: &Case) -> bool {
    let is_text =
        |octets: &[u8]| std::str::from_utf8(octets).is_ok_and(|text| !text.contains('\0'));
    let headers = &case.request.headers;
    headers.iter().all(|(_, value)| is_text(value))
        && headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        && is_text(case.request.path.as_bytes())
        && !case.request.method.is_empty()
}

/// What is wrong with the steps of an explanation: one is refused where there is a reason to
/// refuse, and none behind it is ok.
pub fn misleading_steps(explained: &Value) -> Option<&'static str> {
    let states: Vec<_> =
        explained["steps"].as_array()?.iter().filter_map(|step| step["state"].as_str()).collect();
    let refused: Vec<_> = (0..states.len()).filter(|index| states[*index] == "refused").collect();
    match (explained["detail"].is_null(), refused.as_slice()) {
        (true, []) if states.contains(&"not_reached") => {
            Some("a request that passes was not decided to its end")
        }
        (true, []) => None,
        (true, _) => Some("a step is refused without a reason"),
        (false, [at]) if states[at + 1..].iter().any(|state| *state != "not_reached") => {
            Some("a step behind the refusal")
        }
        (false, [at]) if states[..*at].contains(&"not_reached") => {
            Some("a step before the refusal was not reached")
        }
        (false, [at]) if explained["steps"][at]["text"] != explained["detail"] => {
            Some("the refused step says something else")
        }
        (false, [_]) => None,
        (false, _) => Some("not exactly one step is refused"),
    }
}

#[test]
fn the_case_table_is_explained_as_it_is_decided() {
    let mut configurations = BTreeMap::<String, String>::new();
    let (mut explained, mut wrong) = (0, Vec::new());
    for (number, case) in table().cases.iter().enumerate().filter(|(_, case)| is_sayable(case)) {
        let known = configurations.len();
        let config = configurations
            .entry(case.config.to_string())
            .or_insert_with_key(|config| file(&format!("explained/{known}.json"), config))
            .clone();
        let certificate =
            case.certificate.as_ref().map(|certificate| certificate.host_text.as_str());
        if certificate.is_some_and(|text| {
            text.matches("BEGIN%20CERTIFICATE").count() + text.matches("BEGIN CERTIFICATE").count()
                != 1
        }) {
            // A file without a certificate is no input, and of a chain the first one counts.
            continue;
        }
        let request = &case.request;
        let body = file(&format!("explained/{number}.body"), &request.body);
        let mut arguments: Vec<String> =
            ["explain", "--format", "json", "--config", &config, "--body", &body]
                .map(str::to_owned)
                .into();
        arguments.extend([format!("--now={}", case.now.0), format!("--host={}", request.host)]);
        arguments
            .extend([format!("--method={}", request.method), format!("--path={}", request.path)]);
        let chain =
            case.chain_valid.map_or("unknown", |valid| if valid { "valid" } else { "invalid" });
        arguments.push(format!("--chain={chain}"));
        arguments
            .push(format!("--server-name={}", case.server_name.as_deref().unwrap_or_default()));
        if let Some((token, _)) = &case.verified {
            arguments.push(format!("--verified-token={token}"));
        }
        for (name, value) in &request.headers {
            arguments.push(format!("--header={name}: {}", String::from_utf8_lossy(value)));
        }
        if let Some(certificate) = certificate {
            arguments.push(format!(
                "--certificate={}",
                file(&format!("explained/{number}.pem"), certificate)
            ));
        }
        let output = run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        explained += 1;
        let found: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| json!({ "unusable": format!("{output:?}") }));
        if found["code"] != case.expect.code || code(&output) != i32::from(!case.expect.passes()) {
            wrong.push(format!("{}: expected {}, {found}", case.name, case.expect.code));
        }
        if let Some(why) = misleading_steps(&found) {
            wrong.push(format!("{}: {why}: {found:#}", case.name));
        }
    }
    assert!(explained > 600, "{explained} of the table");
    assert!(wrong.is_empty(), "{} of {explained}:\n{}", wrong.len(), wrong.join("\n"));
}
