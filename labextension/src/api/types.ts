/** The JSON of the server extension; its OpenAPI is at `qhub_ext/openapi.json`. Moments are seconds since 1970, UTC. */

import type { IOutput } from '@jupyterlab/nbformat';

export type Tier = 'local' | 'emulation' | 'qpu';

export type State =
  | 'created'
  | 'submitted'
  | 'queued'
  | 'held'
  | 'starting'
  | 'running'
  | 'finishing'
  | 'completed'
  | 'failed'
  | 'timed_out'
  | 'cancelled'
  | 'lost';

export type Verb = 'cancel' | 'hold' | 'release' | 'requeue' | 'rerun';

export interface Choice {
  tier: Tier;
  device: string;
  shots?: number;
}

export interface TierState {
  name: Tier;
  title: string;
  open: boolean;
  why: string;
  noise: string;
}

export interface Status {
  version: string;
  epoch: string;
  seq: number;
  site: { name: string; as_of: number | null; stale_since: number | null };
  /** Whether quantum tasks take their turn at a broker. */
  broker: boolean;
  chosen: Choice;
  tiers: TierState[];
  counts: { running: number; waiting: number };
  writable: boolean;
}

export interface Resource {
  name: string;
  type: string;
  state: string;
  queue: number | null;
  trouble: string;
  source: string;
  /** Seconds since 1970, UTC; absent where nobody told. */
  next_calibration_at?: number | null;
  /** What is wrong with the windows that the site announces for it. */
  windows_trouble?: string;
}

export interface Device {
  name: string;
  qubits: number;
  family: string;
  snapshot_at: string;
  snapshot_id: string;
  snapshot_age_s: number;
  synthetic: boolean;
  max_shots: number;
  medians: Record<string, number | null>;
  dead_edges: [number, number][];
  resource: Resource | null;
  /** A simulated one stands in for it at this site. */
  virtual?: boolean;
}

/** One line of a listing. `done` of `size` elements where it is an array. */
export interface Summary {
  id: string;
  short_id: string;
  name: string;
  tier: Tier;
  device: string;
  site: string;
  state: State;
  cause: string | null;
  message: string;
  reason: string;
  phase: string;
  phase_text: string;
  /** When it starts at the latest, of a job that waits, where the site tells that unasked. */
  starts_by: number | null;
  created_at: number;
  submitted_at: number | null;
  running_at: number | null;
  ended_at: number | null;
  size: number | null;
  done: number | null;
  as_of: number | null;
  stale_since: number | null;
}

export interface JobPage {
  jobs: Summary[];
  total: number;
  counts: Partial<Record<State, number>>;
  epoch: string;
  seq: number;
}

export interface Changes {
  epoch: string;
  seq: number;
  jobs: Summary[];
  removed: string[];
  counts: Partial<Record<State, number>>;
  /** False where the server cannot tell all that changed since: load anew. */
  complete: boolean;
}

export interface Attempt {
  number: number;
  state: State;
  queued_at: number | null;
  started_at: number | null;
  running_at: number | null;
  ended_at: number | null;
  reason: string;
  word: string;
  cause: string | null;
  message: string;
  advice: string;
  phase: string;
}

/** What a job card carries in the notebook, and the server answers for one job. */
export interface JobRecord {
  id: string;
  name: string;
  tier: Tier;
  device: string;
  resource: string;
  site: string;
  profile: string;
  shots: number | null;
  time_s: number;
  state: State;
  cause: string | null;
  message: string;
  advice: string;
  reason: string;
  phase: string;
  phase_text: string;
  /** As in `Summary`; a notebook keeps none, since it would soon be wrong. */
  starts_by: number | null;
  created_at: number;
  submitted_at: number | null;
  started_at: number | null;
  running_at: number | null;
  ended_at: number | null;
  waiting_s: number | null;
  running_s: number | null;
  site_id: string | null;
  size: number | null;
  done: number | null;
  element: number | null;
  attempts: Attempt[];
  notes: string[];
  as_of: number | null;
  stale_since: number | null;
}

export interface Job extends JobRecord {
  short_id: string;
  lines: [string, string][];
  folder: string;
  requested: Record<string, unknown>;
  actions: Verb[];
}

export interface JobOutputs {
  attempt: number;
  seq: number;
  final: boolean;
  unchanged?: boolean;
  outputs: IOutput[];
}

export interface JobScript {
  script: string;
  cell: string;
  language: string;
}

export interface CapturedName {
  name: string;
  type: string;
  summary: string;
  bytes: number;
}

/** `used`: how often the job's tasks ran there. */
interface Drawn {
  colour: string;
  used: number;
}

/** Places and sizes in px. */
export interface CalibrationMap {
  width: number;
  height: number;
  qubits: (QubitCalibration & Drawn)[];
  edges: (EdgeCalibration & Drawn)[];
}

/** The snapshot that a job used. */
export interface UsedCalibration {
  device: string;
  snapshot_id: string;
  snapshot_at: string;
  synthetic: boolean;
  /** Whether the device was calibrated between submission and the last task. */
  changed: boolean;
  medians: Record<string, number | null>;
  edges: number;
  dead_edges: number;
  map: CalibrationMap;
}

export interface JobDetail {
  captured: CapturedName[];
  returned: CapturedName[];
  absent: Record<string, string>;
  runtime: {
    python?: string;
    platform?: string;
    packages?: Record<string, string>;
  };
  tasks: Record<string, unknown>[];
  calibration: UsedCalibration | null;
  attempts: Attempt[];
}

export interface Span {
  name: string;
  kind: string;
  begin: number;
  end: number | null;
  attempt: number;
  depth?: number;
  /** A row may stand for thousands of spans. */
  count?: number;
  busy_s?: number;
  longest_s?: number;
  segments?: [number, number][];
  detail?: string;
  /** How many lines the job had printed when it began. */
  log_line?: number;
}

export interface Trace {
  begin: number | null;
  end: number | null;
  spans: Span[];
  note: string;
  breakdown?: { part: string; seconds: number }[];
  advice?: string;
  profile?: Profiled[];
  profile_note?: string;
}

/** What plotly draws. */
export interface Figure {
  data: unknown[];
  layout: unknown;
  config: unknown;
}

/** Where the time of two jobs went; `seconds` and `counts` have a value for each. */
export interface Comparison {
  jobs: {
    id: string;
    short_id: string;
    name: string;
    wall_s: number;
    ended: boolean;
  }[];
  parts: { part: string; seconds: number[] }[];
  spans: { name: string; kind: string; counts: number[]; seconds: number[] }[];
}

/** A function and the seconds in it; `calls` is null where samples were taken. */
export interface Profiled {
  function: string;
  file: string;
  line: number;
  calls: number | null;
  own_s: number;
  all_s: number;
}

/** One piece of evidence; `tab` is the part of the job view that shows it. */
export interface Clue {
  text: string;
  where: string;
  tab: string;
}

export interface Finding {
  rule: string;
  cause: string;
  sentence: string;
  clues: Clue[];
  audience: string;
  advice: string;
  again: boolean;
  confidence: string;
  word: string;
}

/** `findings` are ranked, the best first; an older server sends none. */
export interface Explanation {
  cause: string;
  sentence: string;
  audience: string;
  advice: string;
  word?: string;
  again?: boolean;
  findings?: Finding[];
  /** Whether others meet the same, where a broker knows. */
  others?: string;
}

/** When a job may start; both null where the site has no answer, and `why` says so. */
export interface Estimate {
  earliest: number | null;
  latest: number | null;
  why: string;
  as_of: number;
}

/** A quantum call at the broker. Of somebody else's task `id` and `job_id` are empty. */
export interface Task {
  id: string;
  job_id: string;
  mine: boolean;
  user: string;
  profile: string;
  device: string;
  state: string;
  submitted_at: number;
  started_at: number | null;
  done: number;
  of: number;
  place: number;
  why: string;
  /** When it is expected to begin; both null where there is no saying. */
  earliest: number | null;
  latest: number | null;
}

export interface Tasks {
  tasks: Task[];
  total: number;
  as_of: number;
}

export interface QueueEntry {
  job_id: string;
  short_id: string;
  site_id: string;
  name: string;
  owner: string;
  mine: boolean;
  state: State;
  position: number | null;
  submitted_at: number | null;
  reason: string;
  tier: string;
  device: string;
  cpus: number;
  time_s: number | null;
}

export interface Queue {
  entries: QueueEntry[];
  as_of: number | null;
  stale_since: number | null;
}

export interface Refusal {
  job_id: string;
  why: string;
}

/** What `qhub doctor` says of one thing that it looked at. */
export interface Checked {
  level: string;
  what: string;
  advice: string;
  facts: Record<string, string>;
}

export interface QubitCalibration {
  index: number;
  x: number;
  y: number;
  t1_s: number | null;
  t2_s: number | null;
  readout_error: number | null;
  one_qubit_error: number | null;
  dated_at: number | null;
  dead: boolean;
}

export interface EdgeCalibration {
  a: number;
  b: number;
  error: number | null;
  dead: boolean;
  gate: string;
  dated_at: number | null;
}

export interface Calibration {
  device: string;
  snapshot_id: string;
  snapshot_at: string;
  synthetic: boolean;
  qubits: QubitCalibration[];
  edges: EdgeCalibration[];
}

export interface Submission {
  source?: string;
  path?: string;
  kind: 'cell' | 'script' | 'notebook';
  name?: string;
  tier?: Tier;
  device?: string;
  shots?: number;
  [option: string]: unknown;
}

/** What a rerun has another of than the job that it repeats. */
export interface Another {
  tier?: Tier;
  device?: string;
  /** The calibration: that of then, or the present one. */
  snapshot?: 'same' | 'latest';
  /** The environment: that of then, built again if need be, or the present one. */
  runtime?: 'same' | 'current';
}

/** Copies of the tutorial notebooks; paths as the file browser has them. */
export interface Tutorials {
  path: string;
  notebooks: { path: string; title: string; here: string }[];
}

/** A hint of the event bus: what changed; the facts are fetched. */
export interface Hint {
  kind: 'job' | 'queue' | 'devices';
  id: string;
  state: string;
  seq: number;
  epoch: string;
}

export const HINT_SCHEMA = 'urn:qhub-ext:hint:1';
export const CARD_MIME_TYPE = 'application/vnd.qhub.job.v1+json';
export const CHOICE_TARGET = 'qhub_ext.choice';
export const METADATA_KEY = 'qhub';
