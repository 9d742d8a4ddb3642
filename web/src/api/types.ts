/** Shapes of the API's answers, as far as these pages read them. */

export interface Ping {
  cluster_name: string;
  server_version: string;
  auth: {
    second_factors?: string[];
    allow_passwordless?: boolean;
    has_motd?: boolean;
    webauthn?: { rp_id: string } | null;
    /** Providers where people log in instead. */
    connectors?: { name: string; display: string }[];
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
  /** Ids of the access requests that the session acts with, until `accessEnds`. */
  accessRequests?: string[];
  accessEnds?: string | null;
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
  /** Of a search for what may be asked for: false is what the person reaches anyway. */
  requires_request?: boolean[];
}

/** What a request is for; the name is missing where the person may not know it. */
export interface RequestedResource {
  id: string;
  name?: string;
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

/** How many recovery codes are still good, and since when. */
export interface RecoveryCodesKept {
  left: number;
  created?: string | null;
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
    expires?: string | null;
    assume_start_time?: string | null;
    request_reason?: string;
    promoted_access_list_title?: string;
    requested_resource_ids?: { kind: string; name: string }[];
    reviews?: { author: string; proposed_state?: RequestState; reason?: string }[];
  };
}

/** Roles and traits that a list gives, or asks for. */
export interface Grants {
  roles?: string[];
  traits?: Record<string, string[]>;
}

export interface AccessList {
  metadata: { name: string; expires?: string | null };
  spec: {
    title: string;
    description?: string;
    owners: { name: string; description?: string; membership_kind?: string }[];
    audit?: {
      recurrence?: { frequency?: string; day_of_month?: string } | null;
      next_audit_date?: string | null;
    } | null;
    membership_requires?: Grants | null;
    ownership_requires?: Grants | null;
    grants?: Grants | null;
    owner_grants?: Grants | null;
  };
}

/** What the person is to a list. */
export interface Standing {
  runs?: boolean;
  is_owner?: boolean;
  is_member?: boolean;
  is_review_due?: boolean;
}

export interface AccessListPage {
  lists?: AccessList[];
  standings?: Standing[];
  next_start?: string;
}

export interface Member {
  metadata: { name: string };
  spec: {
    name: string;
    membership_kind?: string;
    joined?: string | null;
    expires?: string | null;
    reason?: string;
    added_by?: string;
  };
}

export interface ListReview {
  metadata: { name: string };
  spec: {
    reviewers: string[];
    review_date?: string | null;
    notes?: string;
    changes?: { removed_members?: string[]; review_frequency_changed?: string } | null;
  };
}

export interface AccessRequestPage {
  requests?: AccessRequest[];
  next_start?: string;
}

/** What the person may ask for, and how. */
export interface AccessCapabilities {
  requestable_roles?: string[];
  /** With any of them, resources may be searched and asked for. */
  search_as_roles?: string[];
  suggested_reviewers?: string[];
  reason_prompts?: string[];
  reason_required?: boolean;
  reason_required_for?: string[];
}
