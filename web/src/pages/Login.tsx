import { type FormEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Navigate, useNavigate, useSearchParams } from "react-router";
import { call } from "../api/call";
import type { LoginChallenge, Ping, SessionGranted } from "../api/types";
import { getCredential, isSupported } from "../api/webauthn";
import { Button, Card, Field } from "../parts/controls";
import { LanguageChoice } from "../parts/LanguageChoice";
import { Problem } from "../parts/Problem";
import { useSession } from "../session";
import { safeNext } from "./next";

type Step = { kind: "password" } | { kind: "factor"; challenge: LoginChallenge; code: boolean };

export function Login() {
  const { t } = useTranslation();
  const { state, enter } = useSession();
  const navigate = useNavigate();
  const [query] = useSearchParams();
  const next = safeNext(query.get("next"));
  const [ping, setPing] = useState<Ping | null>(null);
  const [motd, setMotd] = useState("");
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [step, setStep] = useState<Step>({ kind: "password" });
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);

  useEffect(() => {
    call<Ping>("GET", "/webapi/ping")
      .then(async (answer) => {
        setPing(answer);
        if (answer.auth.has_motd) setMotd((await call<{ text: string }>("GET", "/webapi/motd")).text);
      })
      .catch(setError);
  }, []);

  if (state.kind === "in") return <Navigate to={next} replace />;

  async function attempt(work: () => Promise<void>) {
    setBusy(true);
    setError(null);
    try {
      await work();
    } catch (problem) {
      setError(problem instanceof DOMException ? new Error(t("login.refusedKey")) : problem);
    } finally {
      setBusy(false);
    }
  }

  function finish(granted: SessionGranted) {
    enter(granted);
    navigate(next, { replace: true });
  }

  const withPasskey = () =>
    attempt(async () => {
      const challenge = await call<LoginChallenge>("POST", "/webapi/mfa/login/begin", { passwordless: true });
      const answer = await getCredential(challenge.webauthn_challenge);
      finish(
        await call<SessionGranted>("POST", "/webapi/mfa/login/finishsession", {
          webauthnAssertionResponse: answer,
        }),
      );
    });

  const withPassword = (event: FormEvent) => {
    event.preventDefault();
    return attempt(async () => {
      const challenge = await call<LoginChallenge>("POST", "/webapi/mfa/login/begin", {
        user,
        pass: password,
      });
      const onlyCode = !challenge.webauthn_challenge || !isSupported();
      setStep({ kind: "factor", challenge, code: onlyCode });
    });
  };

  const withKey = (challenge: LoginChallenge) =>
    attempt(async () => {
      const answer = await getCredential(challenge.webauthn_challenge);
      finish(
        await call<SessionGranted>("POST", "/webapi/mfa/login/finishsession", {
          user,
          pass: password,
          webauthnAssertionResponse: answer,
        }),
      );
    });

  const withCode = (event: FormEvent) => {
    event.preventDefault();
    return attempt(async () => {
      try {
        finish(
          await call<SessionGranted>("POST", "/webapi/sessions/web", {
            user,
            pass: password,
            second_factor_token: code,
          }),
        );
      } catch (problem) {
        setCode("");
        setStep({ kind: "password" });
        throw problem;
      }
    });
  };

  if (motd) {
    return (
      <Card title={t("product")}>
        <p className="whitespace-pre-wrap">{motd}</p>
        <Button onClick={() => setMotd("")}>{t("login.motd")}</Button>
      </Card>
    );
  }

  return (
    <Card title={t("login.title", { cluster: ping?.cluster_name ?? "…" })}>
      <Problem error={error} />
      {step.kind === "password" ? (
        <>
          {ping?.auth.allow_passwordless && isSupported() ? (
            <>
              <Button look="plain" disabled={busy} onClick={() => void withPasskey()}>
                {t("login.passkey")}
              </Button>
              <p className="text-center text-slate-600 text-sm dark:text-slate-400">{t("login.or")}</p>
            </>
          ) : null}
          <form className="flex flex-col gap-4" onSubmit={(event) => void withPassword(event)}>
            <Field
              label={t("login.user")}
              name="username"
              autoComplete="username webauthn"
              autoFocus
              required
              value={user}
              onChange={(event) => setUser(event.target.value)}
            />
            <Field
              label={t("login.password")}
              name="password"
              type="password"
              autoComplete="current-password"
              required
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
            <Button type="submit" disabled={busy}>
              {t("login.next")}
            </Button>
          </form>
        </>
      ) : step.code ? (
        <form className="flex flex-col gap-4" onSubmit={(event) => void withCode(event)}>
          <Field
            label={t("login.code")}
            name="code"
            inputMode="numeric"
            autoComplete="one-time-code"
            pattern="[0-9]{6}"
            autoFocus
            required
            value={code}
            onChange={(event) => setCode(event.target.value)}
          />
          <Button type="submit" disabled={busy}>
            {t("login.submit")}
          </Button>
        </form>
      ) : (
        <>
          <p>{t("login.keyPrompt")}</p>
          <Button disabled={busy} onClick={() => void withKey(step.challenge)}>
            {t("login.key")}
          </Button>
          {step.challenge.totp_challenge ? (
            <Button look="plain" onClick={() => setStep({ ...step, code: true })}>
              {t("login.useCode")}
            </Button>
          ) : null}
        </>
      )}
      <LanguageChoice />
    </Card>
  );
}
