import { type FormEvent, type ReactNode, useCallback, useEffect, useRef, useState } from "react";
import { Link } from "react-router";
import { ApiError, call } from "../api/call";
import type { Challenge, Ping, Proof, RegisterChallenge } from "../api/types";
import { createCredential, keySupport } from "../api/webauthn";
import { Codes } from "../parts/Codes";
import { Button, buttonLook, Choices, Field, PasswordField } from "../parts/controls";
import { DEVICE_TYPES, DeviceChoice, type DeviceKind } from "../parts/DeviceChoice";
import { Entrance } from "../parts/Entrance";
import { KeyIcon, LockIcon } from "../parts/icons";
import { NewPasswordFields, useNewPassword } from "../parts/NewPassword";
import { Note, Problem, Told } from "../parts/Problem";
import { ProveBy } from "../parts/Prove";
import { Totp } from "../parts/Totp";
import { Waiting } from "../parts/Waiting";
import { type Say, useWords } from "../words";

type Lost = "password" | "mfa";

/** A code first; then what was not lost; then what replaces the rest; then new codes. */
type Step =
  | { kind: "code" }
  | { kind: "rest"; token: string }
  | { kind: "replace"; token: string }
  | { kind: "done"; codes: string[] };

/** What every refusal of a guess reads like, and what is over. */
function told(problem: unknown, t: Say): unknown {
  if (!(problem instanceof ApiError)) return problem;
  if (problem.code === "not_authenticated") return new Told(t("recover.wrong"));
  return problem.status === 404 ? new Told(t("recover.over")) : problem;
}

/** Getting back in with a recovery code, without the password or without the second factor. */
export function Recover() {
  const { t } = useWords();
  const [ping, setPing] = useState<Ping | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [lost, setLost] = useState<Lost>("password");
  const [user, setUser] = useState("");
  const [step, setStep] = useState<Step>({ kind: "code" });

  const load = useCallback(() => {
    setError(null);
    call<Ping>("GET", "/webapi/ping").then(setPing).catch(setError);
  }, []);
  useEffect(load, [load]);

  if (ping === null) {
    if (error === null) return <Waiting />;
    return (
      <Entrance page={t("recover.page")} title={t("recover.page")}>
        <Problem error={error} />
        <Button onClick={load}>{t("tryAgain")}</Button>
      </Entrance>
    );
  }
  return (
    <Entrance page={t("recover.page")} title={t("recover.title")} intro={t(`recover.steps.${step.kind}`)}>
      <Here key={step.kind} isFirst={step.kind === "code"}>
        {step.kind === "code" ? (
          <WithCode
            lost={lost}
            choose={setLost}
            user={user}
            setUser={setUser}
            started={(token) => setStep({ kind: "rest", token })}
          />
        ) : null}
        {step.kind === "rest" ? (
          <Rest
            lost={lost}
            user={user}
            token={step.token}
            approved={(token) => setStep({ kind: "replace", token })}
          />
        ) : null}
        {step.kind === "replace" && lost === "password" ? (
          <ChoosePassword
            user={user}
            token={step.token}
            finished={(codes) => setStep({ kind: "done", codes })}
          />
        ) : null}
        {step.kind === "replace" && lost === "mfa" ? (
          <RegisterDevice
            ping={ping}
            token={step.token}
            finished={(codes) => setStep({ kind: "done", codes })}
          />
        ) : null}
        {step.kind === "done" ? (
          <>
            <Note kind="good">{t("recover.done")}</Note>
            <Codes codes={step.codes} />
          </>
        ) : null}
      </Here>
      <Link
        to="/login"
        className={
          step.kind === "done" ? buttonLook() : "font-medium text-link text-sm underline underline-offset-4"
        }
      >
        {t("signUp.toLogin")}
      </Link>
    </Entrance>
  );
}

/** The step that is shown; the focus comes along when it is another one. */
function Here({ isFirst, children }: { isFirst: boolean; children: ReactNode }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!isFirst && !place.current?.contains(document.activeElement)) place.current?.focus();
  }, [isFirst]);
  return (
    <div ref={place} tabIndex={-1} className="flex flex-col gap-5 outline-none">
      {children}
    </div>
  );
}

/** Runs one step at a time; what went wrong is told in words. */
function useAttempt() {
  const { t } = useWords();
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  async function attempt(work: () => Promise<void>) {
    setBusy(true);
    setError(null);
    try {
      await work();
    } catch (problem) {
      setError(told(problem, t));
    } finally {
      setBusy(false);
    }
  }
  return { error, isBusy, attempt };
}

function WithCode(props: {
  lost: Lost;
  choose: (lost: Lost) => void;
  user: string;
  setUser: (user: string) => void;
  started: (token: string) => void;
}) {
  const { t } = useWords();
  const [code, setCode] = useState("");
  const { error, isBusy, attempt } = useAttempt();

  function submit(event: FormEvent) {
    event.preventDefault();
    void attempt(async () => {
      const answer = await call<{ token: string }>("POST", "/webapi/recovery/start", {
        user: props.user,
        recovery_code: code,
        recover: props.lost,
      });
      props.started(answer.token);
    });
  }

  return (
    <form className="flex flex-col gap-4" onSubmit={submit}>
      <Problem error={error} />
      <Choices
        legend={t("recover.lost")}
        isLegendShown
        chosen={props.lost}
        choose={props.choose}
        options={[
          {
            value: "password",
            label: t("recover.password"),
            text: t("recover.passwordText"),
            icon: LockIcon,
          },
          { value: "mfa", label: t("recover.mfa"), text: t("recover.mfaText"), icon: KeyIcon },
        ]}
      />
      <Field
        label={t("login.user")}
        name="username"
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        required
        value={props.user}
        onChange={(event) => props.setUser(event.target.value)}
      />
      <Field
        label={t("recover.code")}
        hint={t("recover.codeHint")}
        name="recovery-code"
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        maxLength={128}
        required
        value={code}
        onChange={(event) => setCode(event.target.value)}
        className="font-mono"
      />
      <Button type="submit" disabled={isBusy}>
        {t("login.next")}
      </Button>
    </form>
  );
}

function Rest(props: { lost: Lost; user: string; token: string; approved: (token: string) => void }) {
  const { t } = useWords();
  const { token, approved } = props;
  const [password, setPassword] = useState("");
  const { error, isBusy, attempt } = useAttempt();
  const ask = useCallback(() => call<Challenge>("POST", "/webapi/recovery/challenge", { token }), [token]);

  const approve = async (proof: { password: string } | { mfa_response: Proof }) =>
    approved((await call<{ token: string }>("POST", "/webapi/recovery/approve", { token, ...proof })).token);

  async function proved(proof: Proof) {
    try {
      await approve({ mfa_response: proof });
    } catch (problem) {
      throw told(problem, t);
    }
  }

  if (props.lost === "password") return <ProveBy ask={ask} proved={proved} />;
  return (
    <form
      className="flex flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        void attempt(() => approve({ password }));
      }}
    >
      <Problem error={error} />
      <input type="hidden" name="username" autoComplete="username" value={props.user} />
      <PasswordField
        label={t("login.password")}
        name="password"
        autoComplete="current-password"
        autoFocus
        required
        value={password}
        onChange={(event) => setPassword(event.target.value)}
      />
      <Button type="submit" disabled={isBusy}>
        {t("login.next")}
      </Button>
    </form>
  );
}

type Finished = (codes: string[]) => void;

async function finish(token: string, answer: object): Promise<string[]> {
  return (await call<{ codes: string[] }>("POST", "/webapi/recovery/finish", { token, ...answer })).codes;
}

function ChoosePassword(props: { user: string; token: string; finished: Finished }) {
  const { t } = useWords();
  const { password, set, accept } = useNewPassword();
  const { error, isBusy, attempt } = useAttempt();

  function submit(event: FormEvent) {
    event.preventDefault();
    if (accept()) {
      void attempt(async () => props.finished(await finish(props.token, { password: password.value })));
    }
  }

  return (
    <form className="flex flex-col gap-4" onSubmit={submit}>
      <Problem error={error} />
      <input type="hidden" name="username" autoComplete="username" value={props.user} />
      <NewPasswordFields label={t("account.new")} password={password} set={set} />
      <Button type="submit" disabled={isBusy}>
        {t("account.change")}
      </Button>
    </form>
  );
}

function kindsOf(ping: Ping): DeviceKind[] {
  const { second_factors: factors = [], allow_passwordless, webauthn } = ping.auth;
  const hasKeys = factors.includes("webauthn") && keySupport(webauthn?.rp_id) === "yes";
  const keys: DeviceKind[] = hasKeys ? (allow_passwordless ? ["passkey", "key"] : ["key"]) : [];
  return factors.includes("otp") ? [...keys, "totp"] : keys;
}

function RegisterDevice(props: { ping: Ping; token: string; finished: Finished }) {
  const { t } = useWords();
  const { token, finished } = props;
  const kinds = kindsOf(props.ping);
  const [kind, setKind] = useState<DeviceKind>(kinds[0] ?? "totp");
  const [name, setName] = useState("");
  const [begun, setBegun] = useState<RegisterChallenge | null>(null);
  const [code, setCode] = useState("");
  const { error, isBusy, attempt } = useAttempt();

  async function register() {
    const deviceName = name.trim();
    if (begun?.totp) {
      try {
        return finished(await finish(token, { second_factor_token: code, deviceName }));
      } catch (problem) {
        const isWrong = problem instanceof ApiError && problem.code === "not_authenticated";
        throw isWrong ? new Told(t("signUp.wrongCode")) : problem;
      }
    }
    const { type, usage } = DEVICE_TYPES[kind];
    const path = `/webapi/mfa/token/${encodeURIComponent(token)}/registerchallenge`;
    const challenge = await call<RegisterChallenge>("POST", path, { deviceType: type, deviceUsage: usage });
    if (challenge.totp) return setBegun(challenge);
    const created = await createCredential(challenge.webauthn);
    finished(await finish(token, { webauthnCreationResponse: created, deviceName }));
  }

  function submit(event: FormEvent) {
    event.preventDefault();
    void attempt(register);
  }

  if (kinds.length === 0) return <Note>{t("errors.keyless")}</Note>;
  return (
    <form className="flex flex-col gap-4" onSubmit={submit}>
      <Problem error={error} />
      {begun?.totp ? (
        <Totp registration={begun.totp} code={code} change={setCode} autoFocus />
      ) : (
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
      )}
      <Button type="submit" disabled={isBusy}>
        {t(begun?.totp ? "signUp.finish" : kind === "totp" ? "login.next" : "account.register")}
      </Button>
    </form>
  );
}
