// The steps of a client, written with openid-client and with oauth4webapi. Each step is one request
// that the filter decides on; a step returns what later steps need.

import * as oauth from "oauth4webapi";
import * as openid from "openid-client";
import { Browser } from "./browser.mjs";
import { fetchWith } from "../environment.mjs";

export const redirectUri = "https://client.example.org/callback";
const scope = "openid offline_access";

// A client with openid-client. `credential` is the certificate that it presents, not always its
// own.
export async function openidClient(issuer, clientId, credential) {
  const options = { [openid.customFetch]: fetchWith(credential) };
  const config = await openid.discovery(
    new URL(issuer),
    clientId,
    undefined,
    openid.TlsClientAuth(),
    options,
  );
  return {
    library: "openid-client",
    steps: {
      "client credentials": async () => ({
        token: await openid.clientCredentialsGrant(config, { scope: "openid" }),
      }),
      "pushed authorization request": async () => {
        const verifier = openid.randomPKCECodeVerifier();
        const [challenge, state] = [
          await openid.calculatePKCECodeChallenge(verifier),
          openid.randomState(),
        ];
        const parameters = {
          redirect_uri: redirectUri,
          scope,
          prompt: "consent",
          state,
          code_challenge: challenge,
          code_challenge_method: "S256",
        };
        return {
          verifier,
          state,
          authorize: await openid.buildAuthorizationUrlWithPAR(config, parameters),
        };
      },
      "authorization code": async ({ verifier, state, callback }) => ({
        token: await openid.authorizationCodeGrant(config, callback, {
          pkceCodeVerifier: verifier,
          expectedState: state,
        }),
      }),
      refresh: async ({ token }) => ({
        token: await openid.refreshTokenGrant(config, token.refresh_token),
      }),
      introspection: async ({ token }) => ({
        introspected: await openid.tokenIntrospection(config, token.access_token),
      }),
      revocation: async ({ token }) => {
        await openid.tokenRevocation(config, token.access_token);
        return {};
      },
      "device authorization": async () => {
        const device = await openid.initiateDeviceAuthorization(config, {
          scope,
          prompt: "consent",
        });
        return { device, verification: device.verification_uri, userCode: device.user_code };
      },
      "device code": async ({ device }) => ({
        token: await openid.pollDeviceAuthorizationGrant(config, { ...device, interval: 1 }),
      }),
    },
  };
}

// A client with oauth4webapi.
export async function oauthClient(issuer, clientId, credential) {
  const options = { [oauth.customFetch]: fetchWith(credential) };
  const found = await oauth.discoveryRequest(new URL(issuer), options);
  const as = await oauth.processDiscoveryResponse(new URL(issuer), found);
  const client = { client_id: clientId };
  const auth = oauth.TlsClientAuth();
  return {
    library: "oauth4webapi",
    steps: {
      "client credentials": async () => {
        const response = await oauth.clientCredentialsGrantRequest(
          as,
          client,
          auth,
          { scope: "openid" },
          options,
        );
        return { token: await oauth.processClientCredentialsResponse(as, client, response) };
      },
      "pushed authorization request": async () => {
        const verifier = oauth.generateRandomCodeVerifier();
        const state = oauth.generateRandomState();
        const parameters = {
          response_type: "code",
          redirect_uri: redirectUri,
          scope,
          prompt: "consent",
          state,
          code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
          code_challenge_method: "S256",
        };
        const response = await oauth.pushedAuthorizationRequest(
          as,
          client,
          auth,
          parameters,
          options,
        );
        const { request_uri } = await oauth.processPushedAuthorizationResponse(
          as,
          client,
          response,
        );
        const authorize = new URL(as.authorization_endpoint);
        authorize.search = new URLSearchParams({ client_id: clientId, request_uri });
        return { verifier, state, authorize };
      },
      "authorization code": async ({ verifier, state, callback }) => {
        const parameters = oauth.validateAuthResponse(as, client, callback, state);
        const response = await oauth.authorizationCodeGrantRequest(
          as,
          client,
          auth,
          parameters,
          redirectUri,
          verifier,
          options,
        );
        return { token: await oauth.processAuthorizationCodeResponse(as, client, response) };
      },
      refresh: async ({ token }) => {
        const response = await oauth.refreshTokenGrantRequest(
          as,
          client,
          auth,
          token.refresh_token,
          options,
        );
        return { token: await oauth.processRefreshTokenResponse(as, client, response) };
      },
      introspection: async ({ token }) => {
        const response = await oauth.introspectionRequest(
          as,
          client,
          auth,
          token.access_token,
          options,
        );
        return { introspected: await oauth.processIntrospectionResponse(as, client, response) };
      },
      revocation: async ({ token }) => {
        await oauth.processRevocationResponse(
          await oauth.revocationRequest(as, client, auth, token.access_token, options),
        );
        return {};
      },
      "device authorization": async () => {
        const response = await oauth.deviceAuthorizationRequest(
          as,
          client,
          auth,
          { scope, prompt: "consent" },
          options,
        );
        const device = await oauth.processDeviceAuthorizationResponse(as, client, response);
        return { device, verification: device.verification_uri, userCode: device.user_code };
      },
      "device code": async ({ device }) => {
        const response = await oauth.deviceCodeGrantRequest(
          as,
          client,
          auth,
          device.device_code,
          options,
        );
        return { token: await oauth.processDeviceCodeResponse(as, client, response) };
      },
    },
  };
}

// A client that authenticates otherwise, by `auth`, and whose token the server binds to the
// certificate of the connection. `use` presents another certificate with the same token, and
// `other` another one with the same code.
export async function boundClient(issuer, clientId, auth, credential, other) {
  const discover = (credential) =>
    openid.discovery(new URL(issuer), clientId, undefined, auth, {
      [openid.customFetch]: fetchWith(credential),
    });
  const [config, otherConfig] = [await discover(credential), await discover(other)];
  const verifier = openid.randomPKCECodeVerifier();
  const authorize = openid.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope,
    prompt: "consent",
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  });
  const { callback } = await consent({ authorize });
  const redeem = (config) => () =>
    openid.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier });
  return {
    "authorization code": redeem(config),
    other: redeem(otherConfig),
    use: async (token, credential) =>
      openid.fetchUserInfo(await discover(credential), token, openid.skipSubjectCheck),
  };
}

// Gives consent, if the step before needs it.
export async function consent({ authorize, verification, userCode }) {
  const browser = new Browser(fetchWith(undefined));
  if (authorize) return { callback: await browser.visit(authorize, { end: redirectUri }) };
  if (verification) await browser.visit(verification, { fill: { user_code: userCode } });
  return {};
}
