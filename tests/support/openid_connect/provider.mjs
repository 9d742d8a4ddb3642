// A certified OpenID provider with its own login page: oidc-provider on the port it is given.
// What people are there is read anew from a file at each login, so that a test can take a group away.
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [port, people, modules] = process.argv.slice(2);
const { default: Provider } = await import(
  pathToFileURL(createRequire(`${modules}/`).resolve("oidc-provider")).href
);
const issuer = `http://127.0.0.1:${port}`;
const { clients } = JSON.parse(readFileSync(people, "utf8"));
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const provider = new Provider(issuer, {
  clients,
  jwks: { keys: [{ ...createPrivateKey(privateKey.export({ type: "pkcs8", format: "pem" })).export({ format: "jwk" }), use: "sig", alg: "RS256", kid: "tests" }] },
  claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups"] },
  scopes: ["openid", "email", "groups"],
  pkce: { required: () => true },
  cookies: { keys: ["cookies of the tests"] },
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({ sub: id, ...JSON.parse(readFileSync(people, "utf8")).people[id] }),
  }),
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
