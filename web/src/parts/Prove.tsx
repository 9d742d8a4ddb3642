import { type FormEvent, useCallback, useEffect, useState } from "react";
import { call } from "../api/call";
import type { Challenge, Proof } from "../api/types";
import { getCredential, keySupport } from "../api/webauthn";
import { useWords } from "../words";
import { Button, CodeField } from "./controls";
import { KeyIcon } from "./icons";
import { Note, Problem } from "./Problem";

interface Proving {
  proved: (proof: Proof) => Promise<void>;
  explain?: (error: unknown) => string;
}

type Scope = "manage_devices" | "change_password" | "account_recovery" | "headless" | "session";

/** Asks the person to prove a second factor again. `proved` throws when the proof was refused, and is asked anew. */
export function Prove({ scope, ...proving }: Proving & { scope: Scope }) {
  const ask = useCallback(() => call<Challenge>("POST", "/v1/mfa/challenge", { scope }), [scope]);
  return <ProveBy ask={ask} {...proving} />;
}

/** The same with a challenge of another kind; `ask` is asked once more for each touch of a key. */
export function ProveBy({ ask, ...props }: Proving & { ask: () => Promise<Challenge> }) {
  const { t } = useWords();
  const [challenge, setChallenge] = useState<Challenge | null>(null);
  const [isCode, setCodeWanted] = useState(false);
  const [code, setCode] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const hasKey = Boolean(challenge?.webauthn_challenge) && keySupport(undefined) === "yes";

  useEffect(() => {
    let isCurrent = true;
    ask()
      .then((answer) => isCurrent && setChallenge(answer))
      .catch((problem) => isCurrent && setError(problem));
    return () => {
      isCurrent = false;
    };
  }, [ask]);

  async function attempt(work: () => Promise<Proof>) {
    setBusy(true);
    setError(null);
    try {
      await props.proved(await work());
    } catch (problem) {
      setError(problem);
      setCode("");
      setBusy(false);
    }
  }

  const withKey = () =>
    attempt(async () => {
      const fresh = await ask();
      return { webauthn_response: await getCredential(fresh.webauthn_challenge) };
    });

  const withCode = (event: FormEvent) => {
    event.preventDefault();
    void attempt(async () => ({ totp_code: code }));
  };

  return (
    <>
      <Problem error={error} text={error ? (props.explain?.(error) ?? "") : ""} />
      {hasKey && !isCode ? (
        <Button disabled={isBusy} onClick={() => void withKey()}>
          <KeyIcon />
          {t("login.key")}
        </Button>
      ) : null}
      {challenge !== null && !hasKey && !challenge.totp_challenge ? (
        <Note>{t("errors.noKeyHere")}</Note>
      ) : null}
      {challenge?.totp_challenge && (isCode || !hasKey) ? (
        <form className="flex flex-col gap-4" onSubmit={withCode}>
          <CodeField autoFocus value={code} change={setCode} />
          <Button type="submit" disabled={isBusy}>
            {t("login.next")}
          </Button>
        </form>
      ) : null}
      {hasKey && challenge?.totp_challenge ? (
        <Button look="quiet" size="small" onClick={() => setCodeWanted(!isCode)}>
          {t(isCode ? "login.useKey" : "login.useCode")}
        </Button>
      ) : null}
    </>
  );
}
