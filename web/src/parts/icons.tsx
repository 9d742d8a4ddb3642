import type { ReactNode } from "react";

/** Line drawings on a 24-unit field, decoration only: the words beside them say it. */
function Icon({ children, className = "size-5" }: { children: ReactNode; className?: string }) {
  return (
    <svg
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.7"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      className={`shrink-0 ${className}`}
    >
      {children}
    </svg>
  );
}

export interface IconProps {
  className?: string;
}

export const ServersIcon = (props: IconProps) => (
  <Icon {...props}>
    <rect x="3.5" y="4" width="17" height="7" rx="2" />
    <rect x="3.5" y="13" width="17" height="7" rx="2" />
    <path d="M7.5 7.5h.01M7.5 16.5h.01M12 7.5h4.5M12 16.5h4.5" />
  </Icon>
);

export const PersonIcon = (props: IconProps) => (
  <Icon {...props}>
    <circle cx="12" cy="8.2" r="3.7" />
    <path d="M4.8 20c.7-3.8 3.5-5.7 7.2-5.7s6.5 1.9 7.2 5.7" />
  </Icon>
);

export const SearchIcon = (props: IconProps) => (
  <Icon {...props}>
    <circle cx="10.8" cy="10.8" r="6.3" />
    <path d="m15.5 15.5 4.5 4.5" />
  </Icon>
);

export const CrossIcon = (props: IconProps) => (
  <Icon {...props}>
    <path d="m6.5 6.5 11 11M17.5 6.5l-11 11" />
  </Icon>
);

export const CopyIcon = (props: IconProps) => (
  <Icon {...props}>
    <rect x="8.5" y="8.5" width="11" height="11" rx="2" />
    <path d="M15.5 5.5v-.2A1.8 1.8 0 0 0 13.7 3.5H5.3A1.8 1.8 0 0 0 3.5 5.3v8.4a1.8 1.8 0 0 0 1.8 1.8h.2" />
  </Icon>
);

export const TickIcon = (props: IconProps) => (
  <Icon {...props}>
    <path d="m5 12.5 4.8 4.7L19 7.5" />
  </Icon>
);

export const DownIcon = (props: IconProps) => (
  <Icon {...props}>
    <path d="m6.5 9.5 5.5 5.5 5.5-5.5" />
  </Icon>
);

export const MenuIcon = (props: IconProps) => (
  <Icon {...props}>
    <path d="M4 7h16M4 12h16M4 17h16" />
  </Icon>
);

export const LeaveIcon = (props: IconProps) => (
  <Icon {...props}>
    <path d="M14 4.5H7a2 2 0 0 0-2 2v11a2 2 0 0 0 2 2h7M10.5 12H20m-3.2-3.5L20 12l-3.2 3.5" />
  </Icon>
);

export const KeyIcon = (props: IconProps) => (
  <Icon {...props}>
    <circle cx="8" cy="15.5" r="4" />
    <path d="m11 12.7 8-8.2m-3.4 3.5 2.6 2.5m-5 0 1.6 1.5" />
  </Icon>
);

export const FingerIcon = (props: IconProps) => (
  <Icon {...props}>
    <path d="M5.5 9.8A7 7 0 0 1 12 5a7 7 0 0 1 7 7v1.5M12 12v2.5c0 2-.5 3.8-1.4 5.5M8.5 18c.5-1.2.7-2.4.7-3.5V12a2.8 2.8 0 0 1 5.6 0v2c0 2-.3 3.8-1 5.5M5.3 15.5c.3-.9.4-1.8.4-2.8" />
  </Icon>
);

export const PhoneIcon = (props: IconProps) => (
  <Icon {...props}>
    <rect x="7" y="3" width="10" height="18" rx="2.5" />
    <path d="M10.8 17.8h2.4" />
  </Icon>
);

export const LockIcon = (props: IconProps) => (
  <Icon {...props}>
    <rect x="5" y="10.5" width="14" height="9.5" rx="2" />
    <path d="M8.2 10.5V7.8a3.8 3.8 0 0 1 7.6 0v2.7M12 14.3v2" />
  </Icon>
);

export const AlertIcon = (props: IconProps) => (
  <Icon {...props}>
    <path d="M12 4.5 3.5 19h17L12 4.5ZM12 10v4M12 16.5h.01" />
  </Icon>
);

export const NoteIcon = (props: IconProps) => (
  <Icon {...props}>
    <circle cx="12" cy="12" r="8.5" />
    <path d="M12 11v5M12 8h.01" />
  </Icon>
);

export const EyeIcon = (props: IconProps) => (
  <Icon {...props}>
    <path d="M2.8 12C5 7.9 8.2 5.9 12 5.9s7 2 9.2 6.1c-2.2 4.1-5.4 6.1-9.2 6.1S5 16.1 2.8 12Z" />
    <circle cx="12" cy="12" r="2.8" />
  </Icon>
);

export const PlusIcon = (props: IconProps) => (
  <Icon {...props}>
    <path d="M12 5.5v13M5.5 12h13" />
  </Icon>
);

export const PeopleIcon = (props: IconProps) => (
  <Icon {...props}>
    <circle cx="9" cy="8.5" r="3.2" />
    <path d="M3.2 19c.6-3.2 2.8-4.9 5.8-4.9s5.2 1.7 5.8 4.9" />
    <path d="M15.4 5.7a3.1 3.1 0 0 1 0 5.7M17.3 14.6c1.9.7 3.1 2.2 3.5 4.4" />
  </Icon>
);

export const TunnelIcon = (props: IconProps) => (
  <Icon {...props}>
    <path d="M4 19v-6a8 8 0 0 1 16 0v6M8.5 19v-6a3.5 3.5 0 0 1 7 0v6M3 19h18" />
  </Icon>
);
