/** Passkeys and security keys: the server's JSON options in, the credential's JSON out. */

interface Options {
  publicKey: PublicKeyCredentialCreationOptionsJSON & PublicKeyCredentialRequestOptionsJSON;
}

/** Where and whether this browser can use keys of a cluster: they are bound to its domain for ever. */
export type KeySupport = "yes" | "keyless" | "elsewhere";

export function keySupport(domain: string | undefined): KeySupport {
  if (typeof window.PublicKeyCredential?.parseCreationOptionsFromJSON !== "function") return "keyless";
  const host = window.location.hostname;
  return !domain || host === domain || host.endsWith(`.${domain}`) ? "yes" : "elsewhere";
}

export async function createCredential(options: unknown): Promise<unknown> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON((options as Options).publicKey);
  return asJson(await navigator.credentials.create({ publicKey }));
}

export async function getCredential(options: unknown): Promise<unknown> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON((options as Options).publicKey);
  return asJson(await navigator.credentials.get({ publicKey }));
}

function asJson(credential: Credential | null): unknown {
  if (credential === null) throw new DOMException("no credential was given", "NotAllowedError");
  return (credential as PublicKeyCredential).toJSON();
}
