import { useSyncExternalStore } from "react";
import { en, type Words } from "./en";
import { ko } from "./ko";

export const LANGUAGES = { en: "English", ko: "한국어" } as const;
export type Language = keyof typeof LANGUAGES;

const WORDS: Record<Language, Words> = { en, ko };
const STORED = "language";

type Leaves<Tree, Prefix extends string = ""> = {
  [Key in keyof Tree & string]: Tree[Key] extends string
    ? `${Prefix}${Key}`
    : Leaves<Tree[Key], `${Prefix}${Key}.`>;
}[keyof Tree & string];

/** The name of a text, such as `login.title`; the compiler knows them all. */
export type Word = Leaves<Words>;
export type Say = (word: Word, holes?: Record<string, string | number>) => string;

function speaker(language: Language): Say {
  const plurals = new Intl.PluralRules(language);
  return (word, holes = {}) => {
    const count = holes.count;
    const plural = typeof count === "number" ? find(language, `${word}_${plurals.select(count)}`) : undefined;
    const text = plural ?? find(language, word) ?? word;
    return text.replace(/{{(\w+)}}/g, (_, hole: string) => String(holes[hole] ?? ""));
  };
}

function find(language: Language, word: string): string | undefined {
  let found: unknown = WORDS[language];
  for (const part of word.split(".")) found = (found as Record<string, unknown> | undefined)?.[part];
  return typeof found === "string" ? found : undefined;
}

function preferred(): Language {
  const stored = window.localStorage.getItem(STORED);
  if (stored === "en" || stored === "ko") return stored;
  return navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en";
}

const speakers: Record<Language, Say> = { en: speaker("en"), ko: speaker("ko") };
const listeners = new Set<() => void>();
let current = preferred();
document.documentElement.lang = current;

function listen(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function chooseLanguage(language: Language): void {
  window.localStorage.setItem(STORED, language);
  document.documentElement.lang = language;
  current = language;
  for (const listener of listeners) listener();
}

/** The texts in the person's language; the component is drawn anew when they choose another. */
export function useWords(): { t: Say; language: Language } {
  const language = useSyncExternalStore(listen, () => current);
  return { t: speakers[language], language };
}
