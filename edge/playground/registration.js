// What the client registered, in the filter's configuration.

/** The paths in a field, which blanks or commas separate. */
export const readEndpoints = (text) => text.split(/[\s,]+/).filter(Boolean);

/** The client, as JavaScript has it; throws where the text is no JSON. */
export function readClient(text) {
  if (!text.trim()) throw new Error("Paste here what the client registered.");
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`Not JSON: ${error.message}`);
  }
}

/** The filter's configuration. It has the client as it was typed: JavaScript hides a member that stands there twice. */
export const configurationText = (endpoints, client) => `{${endpoints.length ? `"endpoints":${JSON.stringify(endpoints)},` : ""}"clients":[\n${client}\n]}`;

/** An error of the configuration, as it is seen from the field of its endpoints. */
export const endpointsError = (message, endpoints) => message.replace(/^\/endpoints\/(\d+)/, (_, index) => `“${endpoints[index]}”`);

/** The same, seen from the client's field; what the filter alone does not take for JSON it counts in lines of its own. */
export const clientError = (message) => message.replace(/^(\/clients\/0(: )?|the configuration: )/, "").replace(/ at line \d+ column \d+$/, "");

/** The configuration to copy. */
export const configurationToCopy = (endpoints, client) => (endpoints.length ? { endpoints, clients: [client] } : { clients: [client] });
