// What the adapters refuse by themselves, in the filter's own words.

export const maxBodyBytes = 65_536;

const refusal = (code, status, error, description, detail) => ({
  code,
  pass: false,
  status,
  headers: { "content-type": "application/json", "cache-control": "no-store", pragma: "no-cache" },
  body: JSON.stringify({ error, error_description: description }),
  clientId: null,
  thumbprint: null,
  detail,
  tenant: null,
  forward: null,
});

// Never a part of a body: the application would take it for the whole.
export const tooLarge = refusal("body_too_large", 413, "invalid_request", "The request body is too large.", "more than the adapter's maxBodyBytes");

// Whatever goes wrong: nobody gets past it, and nothing else ends.
export const failed = (error) => refusal("host_error", 500, "server_error", "The server could not process the request.", String(error));
