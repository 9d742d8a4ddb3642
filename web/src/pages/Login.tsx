import { type FormEvent, useEffect, useState } from "react";
import { Link, Navigate, useSearchParams } from "react-router";
import { ApiError, call } from "../api/call";
import type { Challenge, Ping, SessionGranted } from "../api/types";
import { getCredential, keySupport } from "../api/webauthn";
import { Button, buttonLook, CodeField, Field, PasswordField } from "../parts/controls";
import { Entrance } from "../parts/Entrance";
import { FingerIcon, KeyIcon } from "../parts/icons";
import { Note, Problem, Told } from "../parts/Problem";
import { Waiting } from "../parts/Waiting";
import { leaveForProvider, useSession } from "../session";
import { useWords } from "../words";
import { safeNext } from "./next";

type Step = { kind: "password" } | { kind: "key" | "code"; challenge: Challenge };

/** A password and a second factor, or a passkey alone. */
export function Login() {
  const { t } = useWords();
  const { state } = useSession();
  const [query] = useSearchParams();
  const [ping, setPing] = useState<Ping | null>(null);
  const [motd, setMotd] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [attempt, setAttempt] = useState(0);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `attempt` asks again
  useEffect(() => {
    setError(null);
    call<Ping>("GET", "/webapi/ping")
      .then(async (answer) => {
        if (answer.auth.has_motd) setMotd((await call<{ text: string }>("GET", "/webapi/motd")).text);
        setPing(answer);
      })
      .catch(setError);
  }, [attempt]);

  if (state.kind === "in") return <Navigate to={safeNext(query.get("next"))} replace />;
  if (error !== null) {
    return (
      <Entrance page={t("login.page")} title={t("login.page")}>
        <Problem error={error} />
        <Button onClick={() => setAttempt(attempt + 1)}>{t("tryAgain")}</Button>
      </Entrance>
    );
  }
  if (ping === null || (state.kind === "unknown" && state.problem === null)) return <Waiting />;
  if (motd) {
    return (
      <Entrance page={t("login.page")} title={t("login.motdTitle")}>
        <p className="whitespace-pre-wrap break-words text-sm">{motd}</p>
        <Button onClick={() => setMotd("")}>{t("login.motd")}</Button>
      </Entrance>
    );
  }
  return (
    <Entrance page={t("login.page")} title={t("login.title", { cluster: ping.cluster_name })}>
      <Ways ping={ping} />
    </Entrance>
  );
}

function Ways({ ping }: { ping: Ping }) {
  const { t } = useWords();
  const { state, enter } = useSession();
  const [query] = useSearchParams();
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [step, setStep] = useState<Step>({ kind: "password" });
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const keys = keySupport(ping.auth.webauthn?.rp_id);

  async function attempt(work: () => Promise<void>) {
    setBusy(true);
    setError(null);
    try {
      await work();
    } catch (problem) {
      const isWrong = problem instanceof ApiError && problem.code === "not_authenticated";
      setError(isWrong ? new Told(t("login.failed")) : problem);
      setCode("");
    } finally {
      setBusy(false);
    }
  }

  async function finish(path: string, answer: object) {
    enter(await call<SessionGranted>("POST", path, answer));
  }

  const withPasskey = () =>
    attempt(async () => {
      const asked = await call<Challenge>("POST", "/webapi/mfa/login/begin", { passwordless: true });
      const answer = await getCredential(asked.webauthn_challenge);
      await finish("/webapi/mfa/login/finishsession", { webauthnAssertionResponse: answer });
    });

  const withPassword = (event: FormEvent) => {
    event.preventDefault();
    void attempt(async () => {
      const challenge = await call<Challenge>("POST", "/webapi/mfa/login/begin", { user, pass: password });
      const isKeyUsable = Boolean(challenge.webauthn_challenge) && keys === "yes";
      if (isKeyUsable) setStep({ kind: "key", challenge });
      else if (challenge.totp_challenge) setStep({ kind: "code", challenge });
      else if (challenge.webauthn_challenge) throw new Told(noKeys(keys));
      else await finish("/webapi/sessions/web", { user, pass: password });
    });
  };

  const withKey = () =>
    attempt(async () => {
      const asked = await call<Challenge>("POST", "/webapi/mfa/login/begin", { user, pass: password });
      const answer = await getCredential(asked.webauthn_challenge);
      await finish("/webapi/mfa/login/finishsession", {
        user,
        pass: password,
        webauthnAssertionResponse: answer,
      });
    });

  const withCode = (event: FormEvent) => {
    event.preventDefault();
    void attempt(() => finish("/webapi/sessions/web", { user, pass: password, second_factor_token: code }));
  };

  function noKeys(support: string): string {
    return support === "elsewhere"
      ? t("errors.keyElsewhere", { host: ping.auth.webauthn?.rp_id ?? "" })
      : t("errors.keyless");
  }

  function startAgain() {
    setStep({ kind: "password" });
    setPassword("");
    setError(null);
  }

  if (step.kind === "password") {
    const reason = state.kind === "out" && state.reason !== "none" ? state.reason : null;
    const hasPasskeys = Boolean(ping.auth.allow_passwordless);
    const isPasskeyOffered = hasPasskeys && keys === "yes";
    const connectors = ping.auth.connectors ?? [];
    return (
      <>
        {reason && !error ? (
          <Note kind={reason === "left" ? "good" : "care"}>{t(`login.${reason}`)}</Note>
        ) : null}
        <Problem error={error} />
        {connectors.map(({ name, display }) => (
          <a
            key={name}
            href={signOn(name, safeNext(query.get("next")))}
            onClick={leaveForProvider}
            className={buttonLook()}
          >
            {t("login.provider", { name: display || name })}
          </a>
        ))}
        {isPasskeyOffered ? (
          <Button
            look={connectors.length > 0 ? "plain" : "primary"}
            disabled={isBusy}
            onClick={() => void withPasskey()}
          >
            <FingerIcon />
            {t("login.passkey")}
          </Button>
        ) : null}
        {isPasskeyOffered || connectors.length > 0 ? <Rule text={t("login.or")} /> : null}
        {hasPasskeys && keys === "elsewhere" ? <Note>{noKeys(keys)}</Note> : null}
        <form className="flex flex-col gap-4" onSubmit={withPassword}>
          <Field
            label={t("login.user")}
            name="username"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            autoFocus
            required
            value={user}
            onChange={(event) => setUser(event.target.value)}
          />
          <PasswordField
            label={t("login.password")}
            name="password"
            autoComplete="current-password"
            required
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
          <Button
            type="submit"
            look={isPasskeyOffered || connectors.length > 0 ? "plain" : "primary"}
            disabled={isBusy}
          >
            {t("login.next")}
          </Button>
        </form>
        <Link to="/recover" className="self-start font-medium text-link text-sm underline underline-offset-4">
          {t("login.recover")}
        </Link>
      </>
    );
  }

  const { challenge } = step;
  return (
    <>
      <Problem error={error} />
      {step.kind === "key" ? (
        <>
          <p className="text-sm">{t("login.keyPrompt")}</p>
          <Button autoFocus disabled={isBusy} onClick={() => void withKey()}>
            <KeyIcon />
            {t("login.key")}
          </Button>
        </>
      ) : (
        <form className="flex flex-col gap-4" onSubmit={withCode}>
          <CodeField autoFocus hint={t("login.codeHint", { user })} value={code} change={setCode} />
          <Button type="submit" disabled={isBusy}>
            {t("login.submit")}
          </Button>
        </form>
      )}
      <div className="flex flex-wrap justify-between gap-2">
        <Button look="quiet" size="small" className="-ml-3" onClick={startAgain}>
          {t("login.otherUser", { user })}
        </Button>
        {step.kind === "key" && challenge.totp_challenge ? (
          <Button look="quiet" size="small" onClick={() => setStep({ kind: "code", challenge })}>
            {t("login.useCode")}
          </Button>
        ) : null}
        {step.kind === "code" && challenge.webauthn_challenge && keys === "yes" ? (
          <Button look="quiet" size="small" onClick={() => setStep({ kind: "key", challenge })}>
            {t("login.useKey")}
          </Button>
        ) : null}
      </div>
    </>
  );
}

/** The proxy sends the browser to the provider, and after that to a page of this application. */
function signOn(connector: string, page: string): string {
  const query = new URLSearchParams({ connector_id: connector, redirect_url: `/web${page}` });
  return `/webapi/oidc/login/web?${query}`;
}

function Rule({ text }: { text: string }) {
  return (
    <div className="flex items-center gap-3 text-sm text-soft">
      <span className="h-px flex-1 bg-line" />
      {text}
      <span className="h-px flex-1 bg-line" />
    </div>
  );
}
