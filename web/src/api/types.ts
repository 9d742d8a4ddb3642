/** Shapes of the API's answers, as far as these pages read them. */

export interface Ping {
  cluster_name: string;
  server_version: string;
  auth: {
    second_factors?: string[];
    allow_passwordless?: boolean;
    has_motd?: boolean;
    webauthn?: { rp_id: string } | null;
  };
  proxy?: { ssh?: { public_addr?: string } };
}

export interface SessionGranted {
  type: string;
  token: string;
  username: string;
  /** Seconds until the bearer token ends. */
  expires_in: number;
  sessionExpires: string;
  /** Milliseconds without a call after which the session ends; 0 is never. */
  sessionInactiveTimeout: number;
}

export interface Challenge {
  webauthn_challenge?: unknown;
  totp_challenge?: boolean;
}

export interface SignUpShown {
  tokenId: string;
  user: string;
  kind: string;
  expiry: string;
  secondFactors?: string[];
}

export interface TotpRegistration {
  /** An SVG document. */
  qrCode: string;
  secret: string;
  otpUrl: string;
}

export interface RegisterChallenge {
  totp?: TotpRegistration | null;
  webauthn?: unknown;
}

export interface ServerResource {
  kind: string;
  sub_kind?: string;
  metadata: { name: string; labels?: Record<string, string> };
  spec?: {
    hostname?: string;
    addr?: string;
    use_tunnel?: boolean;
    version?: string;
    cmd_labels?: Record<string, { result?: string }>;
  };
}

export interface ServerPage {
  items?: ServerResource[];
  next_start?: string;
  total?: number;
  logins?: string[][];
}

export interface WhoAmI {
  username: string;
  cluster: string;
  roles?: string[];
}

export interface Device {
  id: string;
  name: string;
  type: "totp" | "webauthn";
  passwordless?: boolean;
  added_at?: string | null;
  last_used?: string | null;
}

/** The answer to a Challenge: one of the two. */
export interface Proof {
  totp_code?: string;
  webauthn_response?: unknown;
}

export type RequestState = "NONE" | "PENDING" | "APPROVED" | "DENIED" | "PROMOTED";

export interface AccessRequest {
  metadata: { name: string };
  spec: {
    user: string;
    roles?: string[];
    state?: RequestState;
    created?: string | null;
    request_reason?: string;
    requested_resource_ids?: { kind: string; name: string }[];
    reviews?: { author: string; proposed_state?: RequestState; reason?: string }[];
  };
}

export interface AccessRequestPage {
  requests?: AccessRequest[];
  next_start?: string;
}

/** What the person may ask for, and how. */
export interface AccessCapabilities {
  requestable_roles?: string[];
  suggested_reviewers?: string[];
  reason_prompts?: string[];
  reason_required?: boolean;
  reason_required_for?: string[];
}
