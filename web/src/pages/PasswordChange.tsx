import { type FormEvent, useState } from "react";
import { ApiError, call } from "../api/call";
import type { Proof } from "../api/types";
import { Button, PasswordField } from "../parts/controls";
import { Dialog } from "../parts/Dialog";
import { explain, Note } from "../parts/Problem";
import { Prove } from "../parts/Prove";
import { useSession } from "../session";
import { useWords } from "../words";
import { Panel } from "./Account";

const MINIMUM = 12;

/** Bytes travel as base64; a password is UTF-8. */
export function encoded(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

/** The present password, a new one twice, then a second factor. */
export function PasswordChange() {
  const { t } = useWords();
  const { state } = useSession();
  const [old, setOld] = useState("");
  const [password, setPassword] = useState("");
  const [repeat, setRepeat] = useState("");
  const [isTold, setTold] = useState(false);
  const [isProving, setProving] = useState(false);
  const [isDone, setDone] = useState(false);
  const length = [...password].length;

  function submit(event: FormEvent) {
    event.preventDefault();
    setDone(false);
    setTold(true);
    setProving(length >= MINIMUM && password === repeat);
  }

  async function proved(proof: Proof) {
    await call("PUT", "/v1/users/password", {
      old_password: encoded(old),
      new_password: encoded(password),
      second_factor_token: proof.totp_code ?? "",
      ...(proof.webauthn_response ? { webauthnAssertionResponse: proof.webauthn_response } : {}),
    });
    for (const set of [setOld, setPassword, setRepeat]) set("");
    setTold(false);
    setProving(false);
    setDone(true);
  }

  return (
    <Panel title={t("account.password")} text={t("account.passwordText")}>
      <form className="flex max-w-sm flex-col gap-4" onSubmit={submit}>
        {isDone ? <Note kind="good">{t("account.changed")}</Note> : null}
        <input
          type="hidden"
          name="username"
          autoComplete="username"
          value={state.kind === "in" ? state.username : ""}
        />
        <PasswordField
          label={t("account.old")}
          autoComplete="current-password"
          required
          value={old}
          onChange={(event) => setOld(event.target.value)}
        />
        <PasswordField
          label={t("account.new")}
          hint={t("signUp.passwordHint")}
          wrong={isTold && length < MINIMUM ? t("signUp.tooShort", { count: length }) : ""}
          autoComplete="new-password"
          required
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
        <PasswordField
          label={t("signUp.repeat")}
          wrong={isTold && password !== repeat ? t("signUp.different") : ""}
          autoComplete="new-password"
          required
          value={repeat}
          onChange={(event) => setRepeat(event.target.value)}
        />
        <div>
          <Button type="submit" look="plain">
            {t("account.change")}
          </Button>
        </div>
      </form>
      {isProving ? (
        <Dialog title={t("account.prove")} close={() => setProving(false)}>
          <Prove
            scope="change_password"
            proved={proved}
            explain={(error) =>
              error instanceof ApiError && error.code === "not_authenticated"
                ? t("account.wrong")
                : explain(error, t)
            }
          />
        </Dialog>
      ) : null}
    </Panel>
  );
}
