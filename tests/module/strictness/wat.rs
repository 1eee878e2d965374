//! Small filters that exercise the host.

/// The code of a filter's callbacks, in the text format. By default a filter accepts its
/// configuration and lets every request pass.
pub struct Filter<'a> {
    /// Imports, and data for the memory.
    pub head: &'a str,
    pub on_configure: &'a str,
    pub on_tick: &'a str,
    pub on_headers: &'a str,
    pub on_body: &'a str,
    pub on_trailers: &'a str,
    pub on_response_headers: &'a str,
    pub on_response_body: &'a str,
    pub on_call_response: &'a str,
}

pub const CONTINUE: &str = "(i32.const 0)";
pub const PAUSE: &str = "(i32.const 1)";

impl Default for Filter<'_> {
    fn default() -> Self {
        Filter {
            head: "",
            on_configure: "",
            on_tick: "",
            on_headers: CONTINUE,
            on_body: CONTINUE,
            on_trailers: CONTINUE,
            on_response_headers: CONTINUE,
            on_response_body: CONTINUE,
            on_call_response: "",
        }
    }
}

impl Filter<'_> {
    /// The text of the module. An empty header map, four zero bytes, is at 16.
    pub fn text(&self) -> String {
        let Filter {
            head,
            on_configure,
            on_tick,
            on_headers,
            on_body,
            on_trailers,
            on_response_headers,
            on_response_body,
            on_call_response,
        } = self;
        format!(
            r#"(module
                {head}
                (memory (export "memory") 1)
                (data (i32.const 16) "\00\00\00\00")
                (func (export "malloc") (param i32) (result i32) (i32.const 1024))
                (func (export "proxy_abi_version_0_2_1"))
                (func (export "_initialize"))
                (func (export "proxy_on_context_create") (param i32 i32))
                (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
                (func (export "proxy_on_configure") (param i32 i32) (result i32)
                    {on_configure} (i32.const 1))
                (func (export "proxy_on_tick") (param i32) {on_tick})
                (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                    {on_headers})
                (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) {on_body})
                (func (export "proxy_on_request_trailers") (param i32 i32) (result i32)
                    {on_trailers})
                (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
                    {on_response_headers})
                (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
                    {on_response_body})
                (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
                    {on_call_response})
                (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
                (func (export "proxy_on_log") (param i32))
                (func (export "proxy_on_delete") (param i32)))"#
        )
    }
}

/// Traps unless a host call returns this status.
pub fn check(call: &str, status: u32) -> String {
    format!("(if (i32.ne {call} (i32.const {status})) (then (unreachable)))")
}

/// Bytes at an address of the memory.
pub fn data(address: usize, bytes: impl AsRef<[u8]>) -> String {
    let bytes: String = bytes.as_ref().iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!(r#"(data (i32.const {address}) "{bytes}")"#)
}
