// SPDX-License-Identifier: Apache-2.0
// What the pages say, in English and in Korean. A text that is missing in one language does not compile.

const en = {
  overview: "Overview", jobs: "Jobs", dead: "Dead letters", workers: "Workers", submit: "Submit",
  skip: "Skip to content", pages: "Pages", language: "Language", theme: "Theme", auto: "System", light: "Light", dark: "Dark",
  zone: "Times in", sign_in: "Sign in", sign_out: "Sign out", key: "API key", key_help: "This gateway asks for a key. It is kept in this tab alone, until the tab is closed. An operator makes one with: chard key add NAME --scopes read,submit,operate",
  key_wrong: "That is no key of this gateway, or it was revoked.", loading: "Loading…", unreachable: "The gateway can't be reached. What is shown may be old; it is asked again.",
  failed: "That did not work", again: "Try again", none: "Nothing here.", close: "Close", cancel: "Cancel", copy: "Copy", copied: "Copied",
  waiting: "Waiting", running: "Running", rate: "Tasks per minute", errors: "Failed attempts", latency: "Mean time of an attempt", cost: "Cost", cost_five: "Cost, last 5 minutes", cost_task: "Cost per attempt",
  scheduled: "Scheduled", overdue: "overdue", oldest: "Oldest", queue: "Queue", queues: "Queues", slots_free: "Free slots", in_hand: "In hand", task: "Task", tasks: "Tasks", five: "Last five minutes, as live workers count them",
  succeeded: "Succeeded", attempts_failed: "Failed", mean: "Mean", paused: "Paused", chart_depth: "Messages waiting and running", chart_rate: "Attempts that ended per minute", hour: "Last hour", day: "Last day",
  chart_note: "Charts begin when this tab is opened; a Prometheus keeps them for longer.", series_waiting: "waiting", series_running: "running", series_ok: "succeeded", series_failed: "failed", time: "Time", chart_table: "Show as a table", consumers_none: "Nobody consumes",
  state: "State", any: "any", open: "open", unlucky: "failed or cancelled", pipeline: "Pipeline", user: "User", since: "From", until: "Until", text: "Text in the document", id: "Id", find: "Find by id", find_it: "Find", find_help: "Of a job, a task, a dead letter or a scheduled message; its beginning will do", filter: "Filter", clear: "Clear",
  saved: "Saved filters", save: "Save this filter", save_name: "What is it to be called?", forget: "Forget", submitted: "Submitted", finished: "Ended", took: "Took", error: "Error", more: "More", several: "Several ids begin so", not_found: "The store knows nothing with such an id.",
  job: "Job", cancel_job: "Cancel job", run_again: "Run again", cancel_ask: "Cancel this job? What waits is revoked; what runs ends without effect.", cancelled: "Cancelled", tokens: "Tokens", attempts: "Attempts", starts: "Starts", provider: "Provider", timeline: "Timeline", life: "Everything that happened", document: "Document", events: "Events", following: "live", lost: "connection lost, trying again", ended: "ended",
  at: "At", after: "After", what: "What", kind: "Kind", show_all: "Show all of it", version: "Version", pending: "No worker has begun it yet.", steps: "Steps",
  groups: "Groups", entries: "Entries", count: "Count", code: "Code", message: "Message", first: "First", last: "Last", users: "Users", group: "Group", kept: "kept", entry: "Entry", requeue: "Requeue", discard: "Discard", of_filter: "what the filter leaves", of_group: "this group", rehearse: "What would happen", reason: "Reason, for the audit", per_second: "Entries per second (0: at once)",
  would: "would", do_it: "Do it", stop: "Stop", done_count: "done", of: "of", total: "in all", still: "still kept", first_thousand: "looked at the first 1,000", history: "What was done to it", by: "by", on_requeue: "On requeue", original: "Original message", arguments: "Arguments", headers: "Headers", source: "Source", worker: "Worker", next: "Next", trace: "Trace", died: "Died", refused: "refused by the store", no_dead: "No dead letters. Good.",
  status: "Status", started: "Started", uptime: "Up for", beat: "Last sign of life", role: "Role", leader: "Does the duties", holds: "Holds", nobody: "nobody", finished_count: "Finished", oldest_run: "Longest at work", why: "Why", store: "Store", broker: "Broker",
  submit_job: "Submit", drop: "Drop a picture here, or choose one", drop_types: "JPEG, PNG, WebP or GIF", json_help: "as JSON", required: "required", sent: "Submitted; its progress is below.", progress: "Progress", bad_json: "That is no JSON",
  keys_help: "Keyboard", keys_title: "Keyboard shortcuts", keys_go: "then o, j, d, w, s: go to a page", keys_find: "to the search", keys_this: "this help", per_task: "Tasks, last five minutes", unknown: "unknown", page_missing: "There is no such page.", no_scope: "The key does not allow this.",
};

type Words = typeof en;
export type Word = keyof Words;

const ko: Words = {
  overview: "개요", jobs: "작업", dead: "데드 레터", workers: "워커", submit: "제출",
  skip: "본문으로 건너뛰기", pages: "페이지", language: "언어", theme: "테마", auto: "시스템", light: "밝게", dark: "어둡게",
  zone: "시간대", sign_in: "로그인", sign_out: "로그아웃", key: "API 키", key_help: "이 게이트웨이는 키가 필요합니다. 키는 이 탭에만 보관되고 탭을 닫으면 지워집니다. 운영자가 만드는 방법: chard key add NAME --scopes read,submit,operate",
  key_wrong: "이 게이트웨이의 키가 아니거나 폐기된 키입니다.", loading: "불러오는 중…", unreachable: "게이트웨이에 연결할 수 없습니다. 보이는 내용이 오래되었을 수 있으며, 다시 시도하고 있습니다.",
  failed: "처리하지 못했습니다", again: "다시 시도", none: "내용이 없습니다.", close: "닫기", cancel: "취소", copy: "복사", copied: "복사됨",
  waiting: "대기", running: "실행 중", rate: "분당 태스크", errors: "실패한 시도", latency: "시도 평균 시간", cost: "비용", cost_five: "최근 5분 비용", cost_task: "시도당 비용",
  scheduled: "예약됨", overdue: "지연", oldest: "가장 오래된 것", queue: "큐", queues: "큐", slots_free: "빈 슬롯", in_hand: "처리 중", task: "태스크", tasks: "태스크", five: "살아 있는 워커가 집계한 최근 5분",
  succeeded: "성공", attempts_failed: "실패", mean: "평균", paused: "일시 중지", chart_depth: "대기 및 실행 중인 메시지", chart_rate: "분당 끝난 시도", hour: "최근 1시간", day: "최근 하루",
  chart_note: "차트는 이 탭을 연 때부터 그려집니다. 더 긴 기록은 Prometheus에 있습니다.", series_waiting: "대기", series_running: "실행 중", series_ok: "성공", series_failed: "실패", time: "시각", chart_table: "표로 보기", consumers_none: "소비자 없음",
  state: "상태", any: "전체", open: "진행 중", unlucky: "실패 또는 취소", pipeline: "파이프라인", user: "사용자", since: "시작", until: "끝", text: "문서 내 텍스트", id: "ID", find: "ID로 찾기", find_it: "찾기", find_help: "작업, 태스크, 데드 레터, 예약 메시지의 ID 또는 앞부분", filter: "필터", clear: "지우기",
  saved: "저장된 필터", save: "이 필터 저장", save_name: "필터 이름", forget: "삭제", submitted: "제출", finished: "종료", took: "소요", error: "오류", more: "더 보기", several: "이렇게 시작하는 ID가 여러 개입니다", not_found: "그런 ID를 가진 것이 없습니다.",
  job: "작업", cancel_job: "작업 취소", run_again: "다시 실행", cancel_ask: "이 작업을 취소할까요? 대기 중인 것은 철회되고, 실행 중인 것은 효과 없이 끝납니다.", cancelled: "취소됨", tokens: "토큰", attempts: "시도", starts: "시작 횟수", provider: "제공자", timeline: "타임라인", life: "일어난 모든 일", document: "문서", events: "이벤트", following: "실시간", lost: "연결이 끊겨 다시 시도 중", ended: "종료됨",
  at: "시각", after: "경과", what: "내용", kind: "종류", show_all: "전체 보기", version: "버전", pending: "아직 시작한 워커가 없습니다.", steps: "단계",
  groups: "그룹", entries: "항목", count: "개수", code: "코드", message: "메시지", first: "처음", last: "마지막", users: "사용자 수", group: "그룹", kept: "보관 중", entry: "항목", requeue: "다시 넣기", discard: "버리기", of_filter: "필터에 남은 항목", of_group: "이 그룹", rehearse: "실행하면", reason: "사유 (감사 기록용)", per_second: "초당 항목 수 (0: 한 번에)",
  would: "예상", do_it: "실행", stop: "중지", done_count: "완료", of: "/", total: "전체", still: "아직 보관 중", first_thousand: "처음 1,000개만 확인", history: "처리 내역", by: "처리자", on_requeue: "다시 넣으면", original: "원본 메시지", arguments: "인자", headers: "헤더", source: "출처", worker: "워커", next: "다음", trace: "트레이스", died: "사망", refused: "저장소가 거부함", no_dead: "데드 레터가 없습니다.",
  status: "상태", started: "시작", uptime: "가동 시간", beat: "마지막 신호", role: "역할", leader: "당번", holds: "보유", nobody: "없음", finished_count: "완료", oldest_run: "가장 오래 실행 중", why: "이유", store: "저장소", broker: "브로커",
  submit_job: "제출", drop: "사진을 끌어다 놓거나 선택하세요", drop_types: "JPEG, PNG, WebP, GIF", json_help: "JSON 형식", required: "필수", sent: "제출되었습니다. 진행 상황은 아래에 있습니다.", progress: "진행 상황", bad_json: "JSON이 아닙니다",
  keys_help: "단축키", keys_title: "키보드 단축키", keys_go: "다음 o, j, d, w, s: 페이지 이동", keys_find: "검색으로 이동", keys_this: "이 도움말", per_task: "태스크, 최근 5분", unknown: "알 수 없음", page_missing: "그런 페이지가 없습니다.", no_scope: "이 키로는 할 수 없습니다.",
};

const KEPT = "chard.language";
const all = { en, ko };
export type Language = keyof typeof all;

function first(): Language {
  const kept = localStorage.getItem(KEPT);
  if (kept === "en" || kept === "ko") return kept;
  return navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en";
}

let current: Language = first();

export function language(): Language {
  return current;
}

export function setLanguage(to: Language): void {
  current = to;
  localStorage.setItem(KEPT, to);
}

export function say(word: Word): string {
  return all[current][word];
}
