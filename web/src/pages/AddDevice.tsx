import { type FormEvent, useState } from "react";
import { ApiError, call } from "../api/call";
import type { Device, Proof, RegisterChallenge } from "../api/types";
import { createCredential, keySupport } from "../api/webauthn";
import { Button, Field } from "../parts/controls";
import { DEVICE_TYPES, DeviceChoice, type DeviceKind } from "../parts/DeviceChoice";
import { Dialog } from "../parts/Dialog";
import { Problem, Told } from "../parts/Problem";
import { Prove } from "../parts/Prove";
import { Totp } from "../parts/Totp";
import { useWords } from "../words";

type Step = { kind: "choose" } | { kind: "prove" } | { kind: "register"; begun: RegisterChallenge };

/** What it is, proof by a device the person has, then the new device itself. */
export function AddDevice(props: { hasDevices: boolean; close: () => void; added: (name: string) => void }) {
  const { t } = useWords();
  const kinds: DeviceKind[] = keySupport(undefined) === "yes" ? ["passkey", "key", "totp"] : ["totp"];
  const [kind, setKind] = useState<DeviceKind>(kinds[0] ?? "totp");
  const [name, setName] = useState("");
  const [step, setStep] = useState<Step>({ kind: "choose" });
  const [code, setCode] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);

  async function begin(existing: Proof) {
    const begun = await call<RegisterChallenge>("POST", "/v1/mfa/devices/begin", {
      device_type: DEVICE_TYPES[kind].type,
      device_usage: DEVICE_TYPES[kind].usage,
      existing,
    });
    setStep({ kind: "register", begun });
  }

  async function attempt(work: () => Promise<void>) {
    setBusy(true);
    setError(null);
    try {
      await work();
    } catch (problem) {
      const isWrong = problem instanceof ApiError && problem.code === "not_authenticated" && kind === "totp";
      setError(isWrong ? new Told(t("signUp.wrongCode")) : problem);
      setCode("");
    }
    setBusy(false);
  }

  async function register(begun: RegisterChallenge) {
    const answer =
      kind === "totp" ? { totp_code: code } : { webauthn_response: await createCredential(begun.webauthn) };
    const device = await call<Device>("POST", "/v1/mfa/devices", { name: name.trim(), ...answer });
    props.added(device.name);
  }

  function submit(event: FormEvent) {
    event.preventDefault();
    if (step.kind === "register") return void attempt(() => register(step.begun));
    if (props.hasDevices) return setStep({ kind: "prove" });
    void attempt(() => begin({}));
  }

  if (step.kind === "prove") {
    return (
      <Dialog title={t("account.prove")} close={props.close}>
        <p className="text-sm text-soft">{t("account.proveText")}</p>
        <Prove scope="manage_devices" proved={begin} />
      </Dialog>
    );
  }
  return (
    <Dialog title={t("account.addTitle")} close={props.close}>
      <form className="flex flex-col gap-5" onSubmit={submit}>
        {step.kind === "choose" ? (
          <>
            <DeviceChoice kinds={kinds} chosen={kind} choose={setKind} />
            <Field
              label={t("account.addName")}
              name="device"
              maxLength={64}
              required
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          </>
        ) : null}
        {step.kind === "register" && step.begun.totp ? (
          <Totp registration={step.begun.totp} code={code} change={setCode} autoFocus />
        ) : null}
        <Problem error={error} />
        <Button type="submit" disabled={isBusy}>
          {t(step.kind === "choose" ? "login.next" : kind === "totp" ? "signUp.finish" : "account.register")}
        </Button>
      </form>
    </Dialog>
  );
}
