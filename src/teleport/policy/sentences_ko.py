"""Reasons in Korean. Names of roles, fields and values stay as they are written; no particle depends on them."""

from __future__ import annotations

from collections.abc import Callable

from teleport.policy.reasons import Code, Reason

HINTS = {
    "node": "SSH 로그인 이름을 확인하십시오.",
    "db": "데이터베이스 사용자와 이름을 확인하십시오.",
    "kube_cluster": "Kubernetes 사용자 또는 그룹을 확인하십시오.",
    "windows_desktop": "Windows 사용자를 확인하십시오.",
}


def generic_refusal(kind: str, verb: str = "") -> str:
    """The same text for what is forbidden and for what is not there."""
    if verb:
        return f'"{kind}"에 대한 "{verb}" 작업이 거부되었습니다'
    return f"{kind} 접근이 거부되었습니다. 권한이 없습니다. {HINTS.get(kind, '')}".rstrip()


def _list(values: tuple[str, ...]) -> str:
    return ", ".join(f'"{value}"' for value in values) if values else "없음"


def _target(reason: Reason) -> str:
    return f'{reason.kind} "{reason.name}"' if reason.name else reason.kind


def _asker(reason: Reason) -> str:
    return f'역할 "{reason.role}"' if reason.role else "클러스터 설정"


def _through(reason: Reason) -> str:
    return f" (경로: {reason.detail})" if reason.detail else ""


def _way(reason: Reason) -> str:
    return "업로드" if reason.verb == "upload" else "다운로드"


def _rule_denied(reason: Reason) -> str:
    condition = f" (조건: {reason.detail})" if reason.detail else ""
    refusal = generic_refusal(reason.kind, reason.verb)
    return f'{refusal}: 역할 "{reason.role}"의 {reason.field}에서 거부합니다{condition}'


SENTENCES: dict[Code, Callable[[Reason], str]] = {
    Code.ALLOWED_BY_ROLE: lambda r: f'{_target(r)} 접근이 허용됩니다: 역할 "{r.role}".',
    Code.ALLOWED_BY_RULE: lambda r: f'"{r.kind}"에 대한 "{r.verb}" 작업이 허용됩니다: 역할 "{r.role}", {r.field}.',
    Code.ALLOWED_BY_SYSTEM_ROLE: lambda r: f'"{r.kind}"에 대한 "{r.verb}" 작업은 시스템 역할 {r.role}의 임무입니다.',
    Code.ALLOWED_UNLABELED_CLUSTER: lambda r: (
        f"{_target(r)} 접근이 허용됩니다: 레이블이 없고, 레이블로 클러스터를 고르는 역할도 없습니다."
    ),
    Code.DENIED_BY_LABELS: lambda r: (
        f'{generic_refusal(r.kind)} 역할 "{r.role}"의 {r.field}에서 {_target(r)} 접근을 거부합니다: {r.detail}.'
    ),
    Code.DENIED_BY_SCHEDULE: lambda r: (
        f'{r.kind} 접근이 거부되었습니다: 역할 "{r.role}"에 따라 지금은 모든 접근이 거부됩니다 ({r.detail}).'
    ),
    Code.DENIED_BY_MATCHER: lambda r: (
        f'{generic_refusal(r.kind)} 역할 "{r.role}"의 {r.field}에서 "{r.value}" 값을 거부합니다.'
    ),
    Code.DENIED_BY_RULE: _rule_denied,
    Code.DENIED_BY_BROKEN_ROLE: lambda r: (
        f'역할 "{r.role}"의 {r.field} 항목을 해석할 수 없습니다 ({r.detail}). 읽을 수 없는 거부 규칙은 모든 것을 '
        "거부합니다. 역할을 고치십시오"
    ),
    Code.NOTHING_ALLOWS: lambda r: generic_refusal(r.kind, r.verb),
    Code.NO_RULE_ALLOWS: lambda r: (
        f'{generic_refusal(r.kind, r.verb)}: resources ["{r.kind}"], verbs ["{r.verb}"] 규칙이 있는 역할이 필요합니다'
    ),
    Code.LABELS_DIFFER: lambda r: f'역할 "{r.role}"의 {r.field} 조건에 맞지 않습니다: {r.detail}.',
    Code.MATCHER_DIFFERS: lambda r: (
        f'역할 "{r.role}"의 레이블은 {_target(r)}에 맞지만 {r.field} 목록에 "{r.value}" 값이 없습니다 '
        f"(있는 값: {_list(r.wanted)})."
    ),
    Code.NAMESPACE_DIFFERS: lambda r: f'역할 "{r.role}"에서는 네임스페이스 {_list(r.wanted)}만 허용합니다.',
    Code.NOT_IN_SCHEDULE: lambda r: f'역할 "{r.role}"의 허용은 정해진 시간에만 유효합니다: {r.detail}.',
    Code.CONDITION_FALSE: lambda r: (
        f'역할 "{r.role}"의 {r.field} 규칙이 허용할 수 있으나 조건이 충족되지 않았습니다: {r.detail}.'
    ),
    Code.MFA_REQUIRED: lambda r: f"{r.kind} 접근이 거부되었습니다: 다중 인증(MFA)이 필요합니다 ({_asker(r)}).",
    Code.KEY_POLICY_NOT_MET: lambda r: f"개인 키 정책을 충족하지 못했습니다: {r.value}",
    Code.DEVICE_REQUIRED: lambda r: f"{r.kind} 접근이 거부되었습니다: 신뢰된 장치가 필요합니다 ({_asker(r)}).",
    Code.IP_NOT_PINNED: lambda r: "접근 거부: 인증서에 고정 IP 주소가 없습니다. 다시 로그인하세요.",
    Code.IP_DIFFERS: lambda r: "접근 거부: 인증서가 다른 IP 주소용입니다. 다시 로그인하세요.",
    Code.NOT_IN_ALLOWED_RESOURCES: lambda r: (
        f"{_target(r)} 접근이 거부되었습니다: 인증서가 접근 요청의 리소스로 제한되어 있습니다."
    ),
    Code.LOCKED: lambda r: f"잠금으로 거부되었습니다: {r.detail}",
    Code.LOCKS_STALE: lambda r: (
        "접근이 거부되었습니다: 잠금 정보가 최신이 아니며 잠금 방식이 strict입니다. 나중에 다시 시도하십시오."
    ),
    Code.NOT_ENFORCED: lambda r: (
        f"{r.kind} 접근이 거부되었습니다: 이 버전은 {', '.join(r.wanted)} 제한을 적용할 수 없으므로, 제한 없이 "
        "허용하는 대신 거부합니다"
    ),
    Code.IMPERSONATION_ALLOWED: lambda r: f'{r.value} 가장이 허용됩니다: 역할 "{r.role}".',
    Code.IMPERSONATION_DENIED: lambda r: f'{r.value} 가장이 거부되었습니다: 역할 "{r.role}".',
    Code.IMPERSONATION_NOT_ALLOWED: lambda r: f"{r.value} 가장이 거부되었습니다: 허용하는 역할이 없습니다.",
    Code.JOIN_ALLOWED: lambda r: f'{r.kind} 세션에 {r.value} 모드로 참여할 수 있습니다: 역할 "{r.role}".',
    Code.JOIN_NOT_ALLOWED: lambda r: (
        f"이 {r.kind} 세션에 {r.value} 모드로 참여할 수 없습니다. 허용된 모드: {_list(r.wanted)}."
    ),
    Code.MODERATOR_MISSING: lambda r: (
        f'역할 "{r.role}"에 따라 다른 참여자가 있어야 합니다: {" 또는 ".join(r.wanted)}. 세션은 그때까지 기다립니다.'
    ),
    Code.REQUEST_ALLOWED: lambda r: f"{_list(r.wanted)} 접근을 요청할 수 있습니다.",
    Code.REQUEST_NOT_ALLOWED: lambda r: f'역할 "{r.value}" 요청을 허용하는 역할이 없습니다.',
    Code.REQUEST_DENIED: lambda r: f'역할 "{r.role}"에서 역할 "{r.value}" 요청을 거부합니다.',
    Code.REASON_MISSING: lambda r: f'역할 "{r.role}"에 따라 요청마다 사유가 필요합니다.',
    Code.REVIEW_ALLOWED: lambda r: f'요청 "{r.name}" 검토가 허용됩니다.',
    Code.REVIEW_NOT_ALLOWED: lambda r: (
        f'요청 "{r.name}" 검토가 거부되었습니다: 역할 "{r.value}" 검토 권한이 없습니다.'
    ),
    Code.REVIEW_OF_OWN: lambda r: "자신의 요청은 검토할 수 없습니다.",
    Code.REVIEWED_ALREADY: lambda r: f'요청 "{r.name}"에는 이미 검토를 남겼습니다.',
    Code.REQUEST_NOT_PENDING: lambda r: (
        f'요청 "{r.name}"의 상태는 {r.value}입니다. 대기 중인 요청만 검토할 수 있습니다.'
    ),
    Code.SYSTEM_ROLE_FORBIDS: lambda r: (
        f'{generic_refusal(r.kind, r.verb)}: 시스템 역할 "{r.role}"의 임무가 아닙니다'
    ),
    Code.NOT_OWN: lambda r: (
        f'{generic_refusal(r.kind, r.verb)}: 시스템 역할 "{r.role}"에게는 자기 호스트에 대해서만 허용됩니다'
    ),
    Code.NO_KUBERNETES_PRINCIPALS: lambda r: (
        f"{_target(r)} 접근이 거부되었습니다: Kubernetes 사용자나 그룹을 주는 역할이 없습니다."
    ),
    Code.KUBERNETES_USER_OPEN: lambda r: (
        f"허용된 Kubernetes 사용자가 여럿입니다. --as로 하나를 고르십시오: {_list(r.wanted)}."
    ),
    Code.KUBERNETES_PRINCIPAL_NOT_ALLOWED: lambda r: (
        f'Kubernetes {r.field} "{r.value}" 사용이 거부되었습니다. 허용된 값: {_list(r.wanted)}.'
    ),
    Code.DATABASE_USER_IS_MADE: lambda r: (
        f'{_target(r)} 접근이 "{r.value}" 사용자로는 거부되었습니다: 역할에 따라 사용자가 만들어집니다. 쓸 이름: '
        f"{_list(r.wanted)}."
    ),
    Code.DATABASE_ROLES_AND_PERMISSIONS: lambda r: (
        f"{_target(r)} 접근이 거부되었습니다: 역할들이 db_roles({_list(r.wanted)})와 "
        f'db_permissions(역할 "{r.role}")를 함께 주는데, 하나만 쓸 수 있습니다.'
    ),
    Code.DATABASE_ROLE_NOT_ALLOWED: lambda r: (
        f'데이터베이스 역할 "{r.value}" 사용이 거부되었습니다. 허용된 값: {_list(r.wanted)}.'
    ),
    Code.ROLES_NOT_MAPPED: lambda r: (
        f'클러스터 "{r.name}" 접근이 거부되었습니다: 그 클러스터의 역할로 매핑된 역할이 없습니다 ({_list(r.wanted)}).'
    ),
    Code.LIST_MEMBER: lambda r: f'접근 목록 "{r.name}"의 구성원입니다{_through(r)}.',
    Code.LIST_OWNER: lambda r: f'접근 목록 "{r.name}"의 소유자입니다{_through(r)}.',
    Code.NOT_IN_LIST: lambda r: f'접근 목록 "{r.name}"의 구성원도 소유자도 아닙니다.',
    Code.MEMBERSHIP_EXPIRED: lambda r: f'접근 목록 "{r.name}"의 구성원 자격이 {r.value}에 끝났습니다.',
    Code.REQUIREMENT_UNMET: lambda r: (
        f'접근 목록 "{r.name}"에서 아무것도 주지 않습니다{_through(r)}: {r.field} 요건 {_list(r.wanted)}.'
    ),
    Code.FILE_ALLOWED: lambda r: f'"{r.value}" {_way(r)} 허용: 역할 "{r.role}", {r.field}.',
    Code.FILE_NOT_DENIED: lambda r: f'"{r.value}" {_way(r)} 허용: 이를 막는 파일 규칙이 없습니다.',
    Code.FILE_DENIED: lambda r: (
        f'"{r.value}" {_way(r)} 거부: 역할 "{r.role}", {r.field}'
        f"{f' (바이트 수 {_list(r.wanted)} 초과)' if r.wanted else ''}."
    ),
    Code.FILE_NOT_ALLOWED: lambda r: (
        f'"{r.value}" {_way(r)} 거부: 이를 허용하는 파일 규칙이 역할에 없습니다. 규칙의 대상: {_list(r.wanted)}.'
    ),
    Code.FILE_TOO_LARGE: lambda r: (
        f'"{r.value}" {_way(r)} 거부: 역할 "{r.role}", {r.field} 허용 한도는 {_list(r.wanted)} 바이트입니다.'
    ),
    Code.FOLDER_MOVE: lambda r: (
        f'폴더 "{r.value}" 이동 거부: {_list(r.wanted)} 파일 규칙이 폴더의 내용을 따라갈 수 없습니다. '
        "파일을 복사하십시오."
    ),
    Code.LINK_BEYOND: lambda r: (
        f'링크 "{r.value}" 만들기나 이동 거부: '
        + (f'링크가 가리키는 "{r.detail}"에서 ' if r.detail else "링크가 가리키는 곳을 알 수 없으며, ")
        + (f"규칙({r.role} 역할의 {r.field})을 " if r.field else f"규칙({_list(r.wanted)} 역할)을 ")
        + "피해 갈 수 있습니다. 이 서버에는 에이전트가 없습니다. 같은 규칙이 허용하는 곳에 이미 있는 파일이나 폴더의 "
        "실제 경로를 지정하세요."
    ),
    Code.PATTERN_BEYOND: lambda r: (
        f'"{r.value}" 거부: {_list(r.wanted)} 파일 규칙은 서버가 패턴으로 고르는 파일을 따라갈 수 없습니다. '
        "파일 이름을 쓰거나 sftp를 사용하십시오."
    ),
    Code.COPY_UNSEEN: lambda r: (
        f'"{r.value}" 거부: 파일 복사가 제한되어 있고 ({_list(r.wanted)}) 이 프로그램이 복사하는 내용을 볼 수 '
        "없습니다. sftp 또는 scp를 사용하십시오."
    ),
    Code.COPIES_FORBIDDEN: lambda r: f"파일 복사 거부: {_list(r.wanted)} 설정이 ssh_file_copy: false 입니다.",
    Code.COMMAND_ALLOWED: lambda r: f'명령 "{r.value}" 허용: 역할 "{r.role}", {r.field}.',
    Code.COMMAND_NOT_DENIED: lambda r: f'명령 "{r.value}" 허용: 이를 막는 명령 규칙이 없습니다.',
    Code.COMMAND_FORCED: lambda r: f'무엇을 요청하든 역할 "{r.role}"에 따라 "{r.value}" 명령이 실행됩니다. {r.field}',
    Code.COMMAND_ASKS: lambda r: (
        f'명령 "{r.value}" 실행에는 역할 "{r.role}", {r.field}에 따라 중재자가 필요합니다. '
        "터미널에서(ssh -t) 실행하면 중재자가 참여할 때까지 기다립니다."
    ),
    Code.COMMAND_DENIED: lambda r: f'명령 "{r.value}" 거부: 역할 "{r.role}", {r.field}.',
    Code.COMMAND_NOT_ALLOWED: lambda r: (
        f'명령 "{r.value}" 거부: 이를 허용하는 명령 규칙이 역할에 없습니다. 허용된 명령: {_list(r.wanted)}.'
    ),
    Code.COMMAND_NOT_PLAIN: lambda r: (
        f'명령 "{r.value}" 거부: {_list(r.wanted)} 명령 규칙이 있으면 변수, 파이프, 목록, 리디렉션, 파일 패턴 등이 '
        "없는 단순한 명령만 실행됩니다."
    ),
    Code.SHELL_NOT_ALLOWED: lambda r: f"셸 거부: 역할에서 허용하는 것은 명령뿐입니다: {_list(r.wanted)}.",
    Code.FORCED_DIFFER: lambda r: (
        f"아무것도 실행할 수 없습니다: 역할 {_list(r.wanted)}에서 강제하는 명령이 서로 다르거나 읽을 수 없습니다."
    ),
}
