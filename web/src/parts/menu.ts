import type { ComponentType } from "react";
import type { Word } from "../words";
import { type IconProps, KeyIcon, PeopleIcon, PersonIcon, ServersIcon } from "./icons";

export interface Entry {
  path: string;
  label: Word;
  icon: ComponentType<IconProps>;
}

export interface Section {
  label: Word;
  entries: readonly Entry[];
}

/** The pages by their place in the menu; a new page is one line here and one in App. */
export const MENU: readonly Section[] = [
  {
    label: "frame.access",
    entries: [
      { path: "/servers", label: "frame.servers", icon: ServersIcon },
      { path: "/requests", label: "frame.requests", icon: KeyIcon },
      { path: "/lists", label: "frame.lists", icon: PeopleIcon },
    ],
  },
  { label: "frame.you", entries: [{ path: "/account", label: "frame.account", icon: PersonIcon }] },
];
