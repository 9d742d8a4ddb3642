import { useId, useState } from "react";
import { chooseTheme, chosenTheme, THEMES, type Theme } from "../theme";
import { chooseLanguage, LANGUAGES, type Language, useWords } from "../words";

const SELECT = "min-h-8 rounded-lg border border-line bg-card px-2 text-ink text-sm";

export function LanguageChoice() {
  const { t, language } = useWords();
  const id = useId();
  return (
    <div className="flex items-center justify-between gap-3">
      <label htmlFor={id} className="text-sm text-soft">
        {t("language")}
      </label>
      <select
        id={id}
        value={language}
        onChange={(event) => chooseLanguage(event.target.value as Language)}
        className={SELECT}
      >
        {Object.entries(LANGUAGES).map(([code, name]) => (
          <option key={code} value={code} lang={code}>
            {name}
          </option>
        ))}
      </select>
    </div>
  );
}

export function ThemeChoice() {
  const { t } = useWords();
  const id = useId();
  const [theme, setTheme] = useState(chosenTheme);
  function choose(chosen: Theme) {
    chooseTheme(chosen);
    setTheme(chosen);
  }
  return (
    <div className="flex items-center justify-between gap-3">
      <label htmlFor={id} className="text-sm text-soft">
        {t("theme")}
      </label>
      <select
        id={id}
        value={theme}
        onChange={(event) => choose(event.target.value as Theme)}
        className={SELECT}
      >
        {THEMES.map((name) => (
          <option key={name} value={name}>
            {t(`themes.${name}`)}
          </option>
        ))}
      </select>
    </div>
  );
}
