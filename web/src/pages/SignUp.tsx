import { type FormEvent, useCallback, useEffect, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { ApiError, call } from "../api/call";
import type { Ping, RegisterChallenge, SessionGranted, SignUpShown, TotpRegistration } from "../api/types";
import { createCredential, type KeySupport, keySupport } from "../api/webauthn";
import { Button, Choices } from "../parts/controls";
import { Entrance } from "../parts/Entrance";
import { FingerIcon, KeyIcon, LockIcon, PhoneIcon } from "../parts/icons";
import { NewPasswordFields, useNewPassword } from "../parts/NewPassword";
import { Note, Problem, Told } from "../parts/Problem";
import { Totp } from "../parts/Totp";
import { Waiting } from "../parts/Waiting";
import { useSession } from "../session";
import { useWords } from "../words";

interface Opened {
  shown: SignUpShown;
  ping: Ping;
}

/** Answers an invitation or a reset: a passkey alone, or a password with a second factor. */
export function SignUp() {
  const { t } = useWords();
  const { token = "" } = useParams();
  const [link, setLink] = useState<Opened | null>(null);
  const [error, setError] = useState<unknown>(null);

  const open = useCallback(() => {
    setError(null);
    Promise.all([
      call<SignUpShown>("GET", `/webapi/users/password/token/${encodeURIComponent(token)}`),
      call<Ping>("GET", "/webapi/ping"),
    ])
      .then(([shown, ping]) => setLink({ shown, ping }))
      .catch(setError);
  }, [token]);

  useEffect(open, [open]);

  if (error instanceof ApiError && error.status >= 400 && error.status < 429) return <Gone />;
  if (error !== null) {
    return (
      <Entrance page={t("signUp.page")} title={t("signUp.page")}>
        <Problem error={error} />
        <Button onClick={open}>{t("tryAgain")}</Button>
      </Entrance>
    );
  }
  return link === null ? <Waiting /> : <Ways token={token} link={link} gone={setError} />;
}

function Gone() {
  const { t } = useWords();
  return (
    <Entrance page={t("signUp.page")} title={t("signUp.gone")} intro={t("signUp.goneText")}>
      <Link to="/login" className="font-medium text-link text-sm underline underline-offset-4">
        {t("signUp.toLogin")}
      </Link>
    </Entrance>
  );
}

function Ways({ token, link, gone }: { token: string; link: Opened; gone: (error: unknown) => void }) {
  const { t } = useWords();
  const { enter } = useSession();
  const navigate = useNavigate();
  const { shown, ping } = link;
  const keys = keySupport(ping.auth.webauthn?.rp_id);
  const factors = shown.secondFactors ?? [];
  const hasPasskeys = Boolean(ping.auth.allow_passwordless) && keys === "yes";
  const [way, setWay] = useState<"passkey" | "password">(hasPasskeys ? "passkey" : "password");

  async function finish(answer: Record<string, unknown>) {
    try {
      enter(await call<SessionGranted>("PUT", "/webapi/users/password/token", { token, ...answer }));
      navigate("/servers", { replace: true });
    } catch (problem) {
      if (problem instanceof ApiError && problem.status === 404) gone(problem);
      if (problem instanceof ApiError && problem.status === 401) throw new Told(t("signUp.wrongCode"));
      throw problem;
    }
  }

  return (
    <Entrance
      page={t("signUp.page")}
      title={t(shown.kind === "invite" ? "signUp.title" : "signUp.resetTitle", { user: shown.user })}
      intro={t("signUp.intro", { cluster: ping.cluster_name })}
    >
      {hasPasskeys ? (
        <Choices
          legend={t("signUp.intro", { cluster: ping.cluster_name })}
          chosen={way}
          choose={setWay}
          options={[
            {
              value: "passkey",
              label: t("signUp.passkeyChoice"),
              text: t("signUp.passkeyText"),
              icon: FingerIcon,
            },
            {
              value: "password",
              label: t("signUp.passwordChoice"),
              text: t("signUp.passwordText"),
              icon: LockIcon,
            },
          ]}
        />
      ) : null}
      {way === "passkey" ? (
        <Passkey token={token} finish={finish} />
      ) : (
        <Password token={token} user={shown.user} factors={factors} keys={keys} ping={ping} finish={finish} />
      )}
    </Entrance>
  );
}

type Finish = (answer: Record<string, unknown>) => Promise<void>;

function challenge(token: string, deviceType: string, deviceUsage: string): Promise<RegisterChallenge> {
  const path = `/webapi/mfa/token/${encodeURIComponent(token)}/registerchallenge`;
  return call<RegisterChallenge>("POST", path, { deviceType, deviceUsage });
}

function Passkey({ token, finish }: { token: string; finish: Finish }) {
  const { t } = useWords();
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);

  async function create() {
    setBusy(true);
    setError(null);
    try {
      const begun = await challenge(token, "webauthn", "passwordless");
      const created = await createCredential(begun.webauthn);
      await finish({ webauthnCreationResponse: created, deviceName: t("signUp.passkeyName") });
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  }

  return (
    <>
      <Problem error={error} />
      <Button disabled={isBusy} onClick={() => void create()}>
        <FingerIcon />
        {t("signUp.createPasskey")}
      </Button>
    </>
  );
}

function Password(props: {
  token: string;
  user: string;
  factors: string[];
  keys: KeySupport;
  ping: Ping;
  finish: Finish;
}) {
  const { t } = useWords();
  const hasTotp = props.factors.includes("totp");
  const hasKeys = props.factors.includes("webauthn") && props.keys === "yes";
  const { password: chosen, set, accept } = useNewPassword();
  const [factor, setFactor] = useState<"totp" | "webauthn">(hasTotp ? "totp" : "webauthn");
  const [registration, setRegistration] = useState<TotpRegistration | null>(null);
  const [code, setCode] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);

  useEffect(() => {
    if (!hasTotp) return;
    let isCurrent = true;
    challenge(props.token, "totp", "mfa")
      .then((begun) => isCurrent && setRegistration(begun.totp ?? null))
      .catch((problem) => isCurrent && setError(problem));
    return () => {
      isCurrent = false;
    };
  }, [props.token, hasTotp]);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setError(null);
    if (!accept()) return;
    const password = chosen.value;
    setBusy(true);
    try {
      if (factor === "totp") {
        await props.finish({ password, second_factor_token: code, deviceName: t("signUp.totpName") });
      } else {
        const begun = await challenge(props.token, "webauthn", "mfa");
        const created = await createCredential(begun.webauthn);
        await props.finish({
          password,
          webauthnCreationResponse: created,
          deviceName: t("signUp.keyName"),
        });
      }
    } catch (problem) {
      setError(problem);
      setCode("");
      setBusy(false);
    }
  }

  if (!hasTotp && !hasKeys) return <Note>{t("errors.keyless")}</Note>;
  return (
    <form className="flex flex-col gap-4" onSubmit={(event) => void submit(event)}>
      <input type="hidden" name="username" autoComplete="username" value={props.user} />
      <NewPasswordFields label={t("signUp.password")} password={chosen} set={set} />
      {hasTotp && hasKeys ? (
        <Choices
          legend={t("signUp.factor")}
          isLegendShown
          chosen={factor}
          choose={setFactor}
          options={[
            { value: "totp", label: t("signUp.totp"), icon: PhoneIcon },
            { value: "webauthn", label: t("signUp.webauthn"), icon: KeyIcon },
          ]}
        />
      ) : null}
      {factor === "totp" && registration ? (
        <Totp registration={registration} code={code} change={setCode} />
      ) : null}
      <Problem error={error} />
      <Button type="submit" disabled={isBusy}>
        {t(factor === "totp" ? "signUp.finish" : "signUp.finishKey")}
      </Button>
    </form>
  );
}
