//! The member `discovery` (contract §14).

use super::PolicyMembers;
use super::tenants::TenantMembers;
use crate::json::{Json, JsonError, Members};
use crate::policy::{AliasOrigin, Discovery};
use crate::request::{Endpoint, Endpoints, Target};

impl Discovery {
    /// Reads the member, beside these of the top level and of tenants.
    ///
    /// # Errors
    /// The pointer is relative to `discovery`.
    #[inline(never)]
    pub(super) fn from_json(
        json: &Json,
        defaults: &PolicyMembers,
        tenants: &[TenantMembers],
    ) -> Result<Self, JsonError> {
        let mut members = Members::of(json, "an object")?;
        let paths = members
            .read("paths", Endpoints::from_json)?
            .ok_or_else(|| JsonError::expected("the member paths"))?;
        let aliases = members.read("mtls_endpoint_aliases", |json| {
            const ORIGIN: &str = "an origin as in https://mtls.as.example.com, without a path";
            AliasOrigin::parse(json.string(ORIGIN)?).ok_or_else(|| JsonError::expected(ORIGIN))
        })?;
        members.finish()?;
        let policies = gated(defaults, tenants);
        // A client asks for metadata by GET and without credentials, which no gated path allows.
        let is_gated = |path: &Endpoint| {
            let path = path.example();
            let target = Target::new(path.as_bytes());
            policies.iter().all(|endpoints| endpoints.is_none_or(|all| all.gates(&target)))
        };
        let gated = paths.iter().position(is_gated);
        match gated {
            None => Ok(Self { paths, aliases }),
            Some(index) => {
                let error = JsonError::expected(
                    "a path that is not gated: name those that carry client authentication in the \
                     member endpoints",
                );
                Err(error.within(index).within("paths"))
            }
        }
    }
}

/// The `endpoints` of every policy that may decide about a request; `None` = every path.
fn gated<'a>(
    defaults: &'a PolicyMembers,
    tenants: &'a [TenantMembers],
) -> Vec<Option<&'a Endpoints>> {
    let of_all = defaults.endpoints.as_ref();
    let of_tenants = tenants.iter().map(|tenant| tenant.own().endpoints.as_ref().or(of_all));
    let top_level = (tenants.is_empty() || defaults.is_policy()).then_some(of_all);
    of_tenants.chain(top_level).collect()
}
