import {
  type ButtonHTMLAttributes,
  type ComponentType,
  type InputHTMLAttributes,
  type ReactNode,
  useId,
  useState,
} from "react";
import { useWords } from "../words";
import { CopyIcon, EyeIcon, type IconProps, TickIcon } from "./icons";

const BUTTON =
  "inline-flex items-center justify-center gap-2 rounded-lg text-sm font-semibold transition-colors disabled:opacity-60";
const LOOKS = {
  primary: "bg-accent text-white shadow-card hover:bg-accent-strong",
  plain: "border border-line bg-card text-ink shadow-card hover:bg-well",
  quiet: "text-soft hover:bg-well hover:text-ink",
  danger: "border border-bad-line bg-card text-bad hover:bg-bad-tint",
};
const SIZES = { normal: "min-h-10 px-4 py-2", small: "min-h-8 px-3 py-1" };

export type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & {
  look?: keyof typeof LOOKS;
  size?: keyof typeof SIZES;
};

export function Button({ look = "primary", size = "normal", className = "", ...rest }: ButtonProps) {
  return (
    <button type="button" {...rest} className={`${BUTTON} ${LOOKS[look]} ${SIZES[size]} ${className}`} />
  );
}

/** For links that look like buttons. */
export function buttonLook(look: keyof typeof LOOKS = "primary"): string {
  return `${BUTTON} ${LOOKS[look]} ${SIZES.normal}`;
}

export const INPUT =
  "min-h-10 w-full rounded-lg border border-edge bg-card px-3 py-2 text-base text-ink sm:text-sm";

type FieldProps = InputHTMLAttributes<HTMLInputElement> & { label: string; hint?: string; wrong?: string };

/** A labelled input; `hint` helps beforehand, `wrong` says what to mend. */
export function Field({ label, hint, wrong, className = "", ...rest }: FieldProps) {
  const id = useId();
  const described = [hint && `${id}-hint`, wrong && `${id}-wrong`].filter(Boolean).join(" ");
  return (
    <div className="flex flex-col gap-1.5">
      <label htmlFor={id} className="font-medium text-sm">
        {label}
      </label>
      <input
        id={id}
        aria-describedby={described || undefined}
        aria-invalid={wrong ? true : undefined}
        {...rest}
        className={`${INPUT} ${wrong ? "border-bad" : ""} ${className}`}
      />
      {hint ? (
        <p id={`${id}-hint`} className="text-soft text-sm">
          {hint}
        </p>
      ) : null}
      {wrong ? (
        <p id={`${id}-wrong`} role="alert" className="text-bad text-sm">
          {wrong}
        </p>
      ) : null}
    </div>
  );
}

/** A labelled choice of one word among a few. */
export function Select<Value extends string>(props: {
  label: string;
  options: readonly { value: Value; label: string }[];
  value: Value;
  choose: (value: Value) => void;
}) {
  const id = useId();
  return (
    <div className="flex flex-col gap-1.5">
      <label htmlFor={id} className="font-medium text-sm">
        {props.label}
      </label>
      <select
        id={id}
        value={props.value}
        onChange={(event) => props.choose(event.target.value as Value)}
        className={INPUT}
      >
        {props.options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
    </div>
  );
}

/** A password that can be shown while it is typed. */
export function PasswordField(props: FieldProps) {
  const { t } = useWords();
  const [isShown, setShown] = useState(false);
  return (
    <div className="relative">
      <Field {...props} type={isShown ? "text" : "password"} className="pr-11" />
      <button
        type="button"
        aria-label={t("login.showPassword")}
        aria-pressed={isShown}
        onClick={() => setShown(!isShown)}
        className={`absolute top-[2.15rem] right-1.5 rounded-md p-1 hover:bg-well ${isShown ? "text-link" : "text-soft"}`}
      >
        <EyeIcon />
      </button>
    </div>
  );
}

type CodeProps = { value: string; change: (code: string) => void; hint?: string; autoFocus?: boolean };

/** Six digits of an authenticator application, however they were pasted. */
export function CodeField({ value, change, hint, autoFocus }: CodeProps) {
  const { t } = useWords();
  return (
    <Field
      label={t("login.code")}
      hint={hint ?? ""}
      name="code"
      inputMode="numeric"
      autoComplete="one-time-code"
      pattern="[0-9]{6}"
      autoFocus={autoFocus}
      required
      value={value}
      onChange={(event) => change(event.target.value.replace(/\D/g, "").slice(0, 6))}
      className="font-mono text-lg tracking-[0.35em] sm:text-lg"
    />
  );
}

interface Option<Value extends string> {
  value: Value;
  label: string;
  text?: string;
  icon: ComponentType<IconProps>;
}

/** One of a few ways, each with a picture and a line of explanation. */
export function Choices<Value extends string>(props: {
  legend: string;
  options: Option<Value>[];
  chosen: Value;
  choose: (value: Value) => void;
  isLegendShown?: boolean;
}) {
  const name = useId();
  return (
    <fieldset className="flex flex-col gap-2">
      <legend className={props.isLegendShown ? "mb-2 font-medium text-sm" : "sr-only"}>{props.legend}</legend>
      {props.options.map((option) => (
        <label
          key={option.value}
          className="flex cursor-pointer items-center gap-3 rounded-xl border border-line p-3 transition-colors hover:bg-well has-checked:border-link has-checked:bg-tint has-focus-visible:outline-2 has-focus-visible:outline-link has-focus-visible:outline-offset-2"
        >
          <option.icon className="size-6 text-link" />
          <span className="flex min-w-0 flex-1 flex-col">
            <span className="font-medium text-sm">{option.label}</span>
            {option.text ? <span className="text-pretty text-sm text-soft">{option.text}</span> : null}
          </span>
          <input
            type="radio"
            name={name}
            value={option.value}
            checked={props.chosen === option.value}
            onChange={() => props.choose(option.value)}
            className="size-4 accent-link outline-none"
          />
        </label>
      ))}
    </fieldset>
  );
}

/** A command to take along: shown whole, copied by a button that says so. */
export function Command({ text, label }: { text: string; label: string }) {
  const { t } = useWords();
  const [isCopied, setCopied] = useState(false);
  async function copy() {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    window.setTimeout(() => setCopied(false), 2_000);
  }
  return (
    <div className="flex items-stretch overflow-hidden rounded-lg border border-line bg-well">
      <code
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a long command is scrolled with the keys
        tabIndex={0}
        className="min-w-0 flex-1 overflow-x-auto whitespace-nowrap px-3 py-2.5 font-mono text-xs"
      >
        {text}
      </code>
      <button
        type="button"
        aria-label={label}
        onClick={() => void copy()}
        className="flex items-center gap-1.5 border-line border-l px-3 font-medium text-soft text-xs hover:bg-card hover:text-ink"
      >
        {isCopied ? <TickIcon className="size-4 text-good" /> : <CopyIcon className="size-4" />}
        <span aria-live="polite">{isCopied ? t("copied") : t("copy")}</span>
      </button>
    </div>
  );
}

const TONES = {
  plain: "bg-tint text-tint-ink",
  good: "bg-good-tint text-good",
  care: "bg-care-tint text-care",
  bad: "bg-bad-tint text-bad",
};

/** A word about the state of something. */
export function Badge({ tone = "plain", children }: { tone?: keyof typeof TONES; children: ReactNode }) {
  return <span className={`rounded-md px-2 py-0.5 font-medium text-xs ${TONES[tone]}`}>{children}</span>;
}

export function Label({ children }: { children: ReactNode }) {
  return <span className="rounded-md bg-well px-2 py-0.5 font-mono text-xs">{children}</span>;
}
