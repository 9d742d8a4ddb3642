import { type FormEvent, useState } from "react";
import { ApiError, call } from "../api/call";
import type { Proof } from "../api/types";
import { Button, PasswordField } from "../parts/controls";
import { Dialog } from "../parts/Dialog";
import { NewPasswordFields, useNewPassword } from "../parts/NewPassword";
import { Panel } from "../parts/Panel";
import { explain, Note } from "../parts/Problem";
import { Prove } from "../parts/Prove";
import { useSession } from "../session";
import { useWords } from "../words";

/** Bytes travel as base64; a password is UTF-8. */
export function encoded(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

/** The present password, a new one twice, then a second factor. */
export function PasswordChange() {
  const { t } = useWords();
  const { state } = useSession();
  const [old, setOld] = useState("");
  const { password, set, clear, accept } = useNewPassword();
  const [isProving, setProving] = useState(false);
  const [isDone, setDone] = useState(false);

  function submit(event: FormEvent) {
    event.preventDefault();
    setDone(false);
    setProving(accept());
  }

  async function proved(proof: Proof) {
    await call("PUT", "/v1/users/password", {
      old_password: encoded(old),
      new_password: encoded(password.value),
      second_factor_token: proof.totp_code ?? "",
      ...(proof.webauthn_response ? { webauthnAssertionResponse: proof.webauthn_response } : {}),
    });
    setOld("");
    clear();
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
        <NewPasswordFields label={t("account.new")} password={password} set={set} />
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
