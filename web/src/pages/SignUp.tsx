import { Tabs } from "radix-ui";
import { type FormEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useNavigate, useParams } from "react-router";
import { call } from "../api/call";
import type { Ping, RegisterChallenge, SessionGranted, SignUpShown } from "../api/types";
import { createCredential, isSupported } from "../api/webauthn";
import { Button, Card, Field } from "../parts/controls";
import { LanguageChoice } from "../parts/LanguageChoice";
import { Problem } from "../parts/Problem";
import { Waiting } from "../parts/Waiting";
import { useSession } from "../session";

const MINIMUM_PASSWORD = 12;
const TAB =
  "flex-1 rounded-lg px-3 py-2 text-sm font-medium data-[state=active]:bg-white data-[state=active]:shadow-sm dark:data-[state=active]:bg-slate-900";

/** Answers an invitation or a reset: a passkey alone, or a password with a second factor. */
export function SignUp() {
  const { t } = useTranslation();
  const { token = "" } = useParams();
  const [shown, setShown] = useState<SignUpShown | null>(null);
  const [ping, setPing] = useState<Ping | null>(null);
  const [gone, setGone] = useState(false);

  useEffect(() => {
    Promise.all([
      call<SignUpShown>("GET", `/webapi/users/password/token/${encodeURIComponent(token)}`),
      call<Ping>("GET", "/webapi/ping"),
    ])
      .then(([answer, cluster]) => {
        setShown(answer);
        setPing(cluster);
      })
      .catch(() => setGone(true));
  }, [token]);

  if (gone) {
    return (
      <Card title={t("signUp.gone")}>
        <p>{t("signUp.goneText")}</p>
        <LanguageChoice />
      </Card>
    );
  }
  if (shown === null || ping === null) return <Waiting />;
  return <Choices token={token} shown={shown} ping={ping} />;
}

function Choices({ token, shown, ping }: { token: string; shown: SignUpShown; ping: Ping }) {
  const { t } = useTranslation();
  const { enter } = useSession();
  const navigate = useNavigate();
  const passkeys = Boolean(ping.auth.allow_passwordless) && isSupported();

  async function finish(answer: Record<string, unknown>) {
    const granted = await call<SessionGranted>("PUT", "/webapi/users/password/token", { token, ...answer });
    enter(granted);
    navigate("/servers", { replace: true });
  }

  const title = shown.kind === "invite" ? "signUp.title" : "signUp.resetTitle";
  return (
    <Card title={t(title, { user: shown.user })}>
      <p>{t("signUp.intro", { cluster: ping.cluster_name })}</p>
      <Tabs.Root defaultValue={passkeys ? "passkey" : "password"} className="flex flex-col gap-4">
        <Tabs.List className="flex gap-1 rounded-xl bg-slate-200 p-1 dark:bg-slate-800">
          {passkeys ? (
            <Tabs.Trigger value="passkey" className={TAB}>
              {t("signUp.passkeyTab")}
            </Tabs.Trigger>
          ) : null}
          <Tabs.Trigger value="password" className={TAB}>
            {t("signUp.passwordTab")}
          </Tabs.Trigger>
        </Tabs.List>
        <Tabs.Content value="passkey">
          <Passkey token={token} finish={finish} />
        </Tabs.Content>
        <Tabs.Content value="password">
          <Password token={token} factors={shown.secondFactors ?? ["otp", "webauthn"]} finish={finish} />
        </Tabs.Content>
      </Tabs.Root>
      <LanguageChoice />
    </Card>
  );
}

type Finish = (answer: Record<string, unknown>) => Promise<void>;

function challenge(token: string, deviceType: string, deviceUsage: string): Promise<RegisterChallenge> {
  const path = `/webapi/mfa/token/${encodeURIComponent(token)}/registerchallenge`;
  return call<RegisterChallenge>("POST", path, { deviceType, deviceUsage });
}

function Passkey({ token, finish }: { token: string; finish: Finish }) {
  const { t } = useTranslation();
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);

  async function create() {
    setBusy(true);
    setError(null);
    try {
      const begun = await challenge(token, "webauthn", "passwordless");
      const created = await createCredential(begun.webauthn);
      await finish({ webauthnCreationResponse: created, deviceName: t("signUp.defaultPasskey") });
    } catch (problem) {
      setError(problem instanceof DOMException ? new Error(t("login.refusedKey")) : problem);
      setBusy(false);
    }
  }

  return (
    <div className="flex flex-col gap-4">
      <p className="text-slate-600 text-sm dark:text-slate-300">{t("signUp.passkeyText")}</p>
      <Problem error={error} />
      <Button disabled={busy} onClick={() => void create()}>
        {t("signUp.createPasskey")}
      </Button>
    </div>
  );
}

function Password({ token, factors, finish }: { token: string; factors: string[]; finish: Finish }) {
  const { t } = useTranslation();
  const [password, setPassword] = useState("");
  const [repeat, setRepeat] = useState("");
  const [factor, setFactor] = useState(factors.includes("otp") ? "totp" : "webauthn");
  const [begun, setBegun] = useState<RegisterChallenge | null>(null);
  const [code, setCode] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);

  useEffect(() => {
    if (factor !== "totp") return;
    challenge(token, "totp", "mfa").then(setBegun).catch(setError);
  }, [token, factor]);

  async function answer(): Promise<Record<string, unknown>> {
    if (factor === "totp") return { second_factor_token: code, deviceName: t("signUp.defaultTotp") };
    const options = await challenge(token, "webauthn", "mfa");
    const created = await createCredential(options.webauthn);
    return { webauthnCreationResponse: created, deviceName: t("signUp.defaultPasskey") };
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (password.length < MINIMUM_PASSWORD) {
      setError(new Error(t("signUp.tooShort", { count: password.length })));
      return;
    }
    if (password !== repeat) {
      setError(new Error(t("signUp.different")));
      return;
    }
    setBusy(true);
    setError(null);
    try {
      await finish({ password, ...(await answer()) });
    } catch (problem) {
      setError(problem instanceof DOMException ? new Error(t("login.refusedKey")) : problem);
      setBusy(false);
    }
  }

  return (
    <form className="flex flex-col gap-4" onSubmit={(event) => void submit(event)}>
      <Problem error={error} />
      <Field
        label={t("signUp.password")}
        type="password"
        autoComplete="new-password"
        required
        value={password}
        onChange={(event) => setPassword(event.target.value)}
      />
      <Field
        label={t("signUp.repeat")}
        type="password"
        autoComplete="new-password"
        required
        value={repeat}
        onChange={(event) => setRepeat(event.target.value)}
      />
      <fieldset className="flex flex-col gap-2">
        <legend className="mb-1.5 font-medium text-sm">{t("signUp.factor")}</legend>
        {factors.includes("otp") ? (
          <Choice value="totp" label={t("signUp.totp")} chosen={factor} choose={setFactor} />
        ) : null}
        {factors.includes("webauthn") && isSupported() ? (
          <Choice value="webauthn" label={t("signUp.webauthn")} chosen={factor} choose={setFactor} />
        ) : null}
      </fieldset>
      {factor === "totp" && begun?.totp ? <Totp totp={begun.totp} code={code} setCode={setCode} /> : null}
      <Button type="submit" disabled={busy}>
        {t("signUp.finish")}
      </Button>
    </form>
  );
}

function Choice(props: { value: string; label: string; chosen: string; choose: (value: string) => void }) {
  return (
    <label className="flex items-center gap-2 text-sm">
      <input
        type="radio"
        name="factor"
        value={props.value}
        checked={props.chosen === props.value}
        onChange={() => props.choose(props.value)}
      />
      {props.label}
    </label>
  );
}

function Totp(props: {
  totp: NonNullable<RegisterChallenge["totp"]>;
  code: string;
  setCode: (code: string) => void;
}) {
  const { t } = useTranslation();
  return (
    <div className="flex flex-col gap-3">
      <p className="text-sm">{t("signUp.scan")}</p>
      <img
        src={`data:image/png;base64,${props.totp.qrCode}`}
        alt={t("signUp.scan")}
        className="size-44 self-center rounded-lg bg-white p-2"
      />
      <p className="text-slate-600 text-sm dark:text-slate-300">
        {t("signUp.cannotScan")}: <code className="select-all break-all">{props.totp.secret}</code>
      </p>
      <Field
        label={t("login.code")}
        inputMode="numeric"
        autoComplete="one-time-code"
        pattern="[0-9]{6}"
        required
        value={props.code}
        onChange={(event) => props.setCode(event.target.value)}
      />
    </div>
  );
}
