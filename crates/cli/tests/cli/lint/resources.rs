//! What resources need of `jwt_authn` before the filter.

use super::findings;
use crate::file;

#[test]
fn jwt_authn_must_leave_what_it_verified() {
    let envoy = |replaced: &[(&str, &str)]| {
        let mut yaml = include_str!("../../../../../envoy/envoy-resources.yaml").to_owned();
        for (from, to) in replaced {
            assert_eq!(yaml.matches(from).count(), 1, "{from}");
            yaml = yaml.replace(from, to);
        }
        findings(&file("resources.yaml", yaml))
    };
    let forward = "                  forward: true\n";
    let source = "from_headers: [{name: authorization, value_prefix: \"Bearer \"}]";
    let name = "          - name: envoy.filters.http.jwt_authn\n";
    let providers = "              providers:\n";
    let another = |metadata: &str, header: &str| {
        let lines = [
            "another:",
            "  issuer: https://other.example.com",
            "  from_headers: [{name: x-token}]",
            &format!("  payload_in_metadata: {metadata}"),
            &format!("  forward_payload_header: {header}"),
        ];
        let lines = lines.map(|line| format!("                {line}\n"));
        format!("{providers}{}", lines.concat())
    };
    let rule = "                    - provider_name: authorization_server\n";
    let both = &format!("{rule}                    - provider_name: another\n");
    let nothing: [(&str, &str); 0] = [];
    for (replaced, wanted) in [
        (&nothing[..], None),
        (&[(forward, "")], Some("takes the token off")),
        (&[("forward: true", "forward: false")], Some("takes the token off")),
        (&[(source, "clock_skew_seconds: 1")], Some("other places than Authorization")),
        (
            &[(source, "from_headers: [{name: authorization, value_prefix: \"bearer \"}]")],
            Some("other places than Authorization"),
        ),
        (
            &[(
                source,
                "from_headers: [{name: authorization, value_prefix: \"Bearer \"}, {name: x}]",
            )],
            Some("other places than Authorization"),
        ),
        (
            &[(
                source,
                "from_headers: [{name: authorization, value_prefix: \"Bearer \"}]\n                  \
                 from_params: [access_token]",
            )],
            Some("other places than Authorization"),
        ),
        (&[("payload_in_metadata: verified", "payload_in_metadata: other")], Some("no provider")),
        (
            &[("forward_payload_header: x-jwt-payload", "clock_skew_seconds: 1")],
            Some("no provider"),
        ),
        // Another provider that leaves its claims in their place, where one rule has both verify.
        (&[(providers, &another("verified", "x-b")), (rule, both)], Some("a thief who adds")),
        (&[(providers, &another("other", "x-b")), (rule, both)], None),
        (&[(providers, &another("verified", "x-b"))], None),
        (&[(name, &format!("{name}            disabled: true\n"))], Some("no jwt_authn is before")),
        (&[("jwt_authn.v3.JwtAuthentication", "cors.v3.Cors")], Some("no jwt_authn is before")),
    ] {
        let found = envoy(replaced);
        let errors: Vec<_> = found.iter().filter(|(_, severity, _)| severity == "error").collect();
        match wanted {
            None => assert!(errors.is_empty(), "{errors:?}"),
            Some(wanted) => assert!(
                errors.len() == 1 && errors[0].2.contains(wanted),
                "{replaced:?}: {errors:?}"
            ),
        }
    }
}
