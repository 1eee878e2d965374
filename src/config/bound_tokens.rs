//! The member `bound_tokens` (contract §10).

use std::sync::Arc;

use super::registry::{authority, check_path, duration, headers, required};
use super::{Responses, header_of_its_own};
use crate::json::{Json, JsonError, Members, one_of};
use crate::limits;
use crate::policy::{BoundTokens, ResponseCheck, VerifiedJwt};
use crate::registry::IntrospectionSource;
use crate::request::Endpoints;

impl BoundTokens {
    /// Reads the member.
    ///
    /// # Errors
    /// The pointer is relative to `bound_tokens`.
    #[inline(never)]
    pub(super) fn from_json(json: &Json, responses: Responses) -> Result<Self, JsonError> {
        let mut members = Members::of(json, "an object")?;
        let resources = members.read("resources", Endpoints::with_all_below)?;
        let jwt = members.read("jwt", VerifiedJwt::from_json)?;
        let introspection =
            members.read("introspection", IntrospectionSource::from_json)?.map(Arc::new);
        let response_check = members.read("response_check", |json| {
            responses.check()?;
            one_of(&RESPONSE_CHECK)(json)
        })?;
        members.finish()?;
        if resources.is_none() && response_check.is_none() {
            let expected = "the member resources, the member response_check or both";
            return Err(JsonError::expected(expected));
        }
        if resources.is_none() && jwt.is_some() {
            let expected = "no jwt without resources: it is about requests to them";
            return Err(JsonError::expected(expected).within("jwt"));
        }
        if resources.is_some() && jwt.is_none() && introspection.is_none() {
            let expected = "the member jwt, the member introspection or both: without them it is \
                            not known to which certificate a token is bound";
            return Err(JsonError::expected(expected));
        }
        let response_check = response_check.unwrap_or_default();
        Ok(Self { resources, jwt, introspection, response_check })
    }
}

const RESPONSE_CHECK: [(&str, ResponseCheck); 3] = [
    ("off", ResponseCheck::Off),
    ("count", ResponseCheck::Count),
    ("enforce", ResponseCheck::Enforce),
];

impl VerifiedJwt {
    fn from_json(json: &Json) -> Result<Self, JsonError> {
        let mut members = Members::of(json, "an object")?;
        let metadata = required(&mut members, "metadata", "payload_in_metadata of jwt_authn")?;
        let payload_header = members
            .read("payload_header", header_of_its_own)?
            .ok_or_else(|| JsonError::expected("the member payload_header"))?;
        members.finish()?;
        Ok(Self { metadata: metadata.into(), payload_header: payload_header.into() })
    }
}

impl IntrospectionSource {
    fn from_json(json: &Json) -> Result<Self, JsonError> {
        let mut members = Members::of(json, "an object")?;
        let cluster = required(&mut members, "cluster", "the name of an Envoy cluster")?;
        let authority = authority(&mut members)?;
        let path = required(&mut members, "path", "a path")?;
        let headers = members.read("headers", headers)?.unwrap_or_default();
        let timeout = members.read("timeout", duration)?.unwrap_or(limits::DEFAULT_TIMEOUT);
        let cache = members.read("cache", duration)?.unwrap_or(limits::DEFAULT_INTROSPECTION_CACHE);
        members.finish()?;
        if headers.iter().any(|(name, _)| **name == *"content-type") {
            let expected = "the name of a header that the filter does not set itself";
            return Err(JsonError::expected(expected).within("content-type").within("headers"));
        }
        check_path(path, None).map_err(|error| error.within("path"))?;
        let [cluster, authority, path] = [cluster, authority, path].map(Into::into);
        Ok(Self { cluster, authority, path, headers, timeout, cache })
    }
}
