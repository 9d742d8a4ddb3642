import { useState } from "react";
import { useWords } from "../words";
import { PasswordField } from "./controls";

const MINIMUM = 12;

/** A password that is being chosen, typed twice. `isTold`: the person is told what is wrong with it. */
export interface NewPassword {
  value: string;
  repeat: string;
  isTold: boolean;
}

const NOTHING: NewPassword = { value: "", repeat: "", isTold: false };

/** `accept` tells what is wrong, and answers whether nothing is. */
export function useNewPassword() {
  const [password, set] = useState(NOTHING);
  return {
    password,
    set,
    clear: () => set(NOTHING),
    accept: () => {
      set({ ...password, isTold: true });
      return [...password.value].length >= MINIMUM && password.value === password.repeat;
    },
  };
}

export function NewPasswordFields(props: {
  label: string;
  password: NewPassword;
  set: (password: NewPassword) => void;
}) {
  const { t } = useWords();
  const { password } = props;
  const length = [...password.value].length;
  return (
    <>
      <PasswordField
        label={props.label}
        hint={t("signUp.passwordHint")}
        wrong={password.isTold && length < MINIMUM ? t("signUp.tooShort", { count: length }) : ""}
        name="password"
        autoComplete="new-password"
        required
        value={password.value}
        onChange={(event) => props.set({ ...password, value: event.target.value })}
      />
      <PasswordField
        label={t("signUp.repeat")}
        wrong={password.isTold && password.value !== password.repeat ? t("signUp.different") : ""}
        name="repeat"
        autoComplete="new-password"
        required
        value={password.repeat}
        onChange={(event) => props.set({ ...password, repeat: event.target.value })}
      />
    </>
  );
}
