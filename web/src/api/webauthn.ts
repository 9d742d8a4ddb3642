/** Passkeys and security keys: the server's JSON options in, the credential's JSON out. */

interface Options {
  publicKey: PublicKeyCredentialCreationOptionsJSON & PublicKeyCredentialRequestOptionsJSON;
}

export function isSupported(): boolean {
  return typeof window.PublicKeyCredential?.parseCreationOptionsFromJSON === "function";
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
  if (!(credential instanceof PublicKeyCredential)) throw new Error("no credential was given");
  return credential.toJSON();
}
