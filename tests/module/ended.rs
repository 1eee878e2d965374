//! Requests that end before the answer to what they asked.

use serde_json::json;

use crate::calls::{answer, tick_until_call};
use crate::fixture::{CLOCK, certificate, verified};
use crate::host::Verdict;
use crate::run::{headers, start};
use crate::support::case::Request;

/// Envoy knows the context of a request for a while after it has destroyed its filters.
#[test]
fn an_answer_about_a_token_continues_no_request_that_has_ended() {
    let configuration = json!({
        "endpoints": [],
        "bound_tokens": {
            "resources": ["/api"],
            "introspection": { "cluster": "as", "authority": "as.test", "path": "/introspect" },
        },
    });
    let connection = verified(&certificate());
    let request = |token: &str| Request {
        method: "GET".into(),
        path: "/api".into(),
        headers: vec![("authorization".into(), format!("Bearer {token}").into_bytes())],
        ..Request::form("/api", "")
    };
    for said in [r#"{"active":false}"#, r#"{"active":true}"#, "", "x"] {
        let mut vm = start(configuration.to_string().as_bytes(), CLOCK);
        vm.set_clusters(&["as"]);
        let [gone, there] = [(); 2].map(|()| {
            let id = vm.open(connection.clone()).expect("no fault");
            vm.headers(id, headers(&request("opaque")), true).expect("no fault");
            id
        });
        let call = tick_until_call(&mut vm);
        vm.close(gone).expect("no fault");
        vm.answer(call.token, answer(200, &[], said)).unwrap_or_else(|fault| panic!("{fault}"));
        let outcome = vm.close(there).expect("no fault");
        assert!(matches!(outcome.verdict, Verdict::Replied(_)), "{said} {:?}", outcome.verdict);
    }
}
