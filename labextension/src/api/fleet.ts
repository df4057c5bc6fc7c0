import type { Figure } from './types';

/** What may be counted by; `user` is for operators of the broker. */
export const FLEET_KEYS = [
  'device',
  'node',
  'cause',
  'signature',
  'version',
  'profile',
  'user'
] as const;
export type FleetKey = (typeof FLEET_KEYS)[number];

/** What ended lately at the whole site; all null where there is no broker that would know. */
export interface Fleet {
  broker: boolean;
  overview: FleetOverview | null;
  levels: FleetLevels | null;
  /** Where failures stand out, and when they came; null without a broker. */
  figure: Figure | null;
}

/** `names`: the asker is an operator, and sees who it was. Moments in seconds since 1970, UTC. */
export interface FleetOverview {
  since: number;
  until: number;
  by: FleetKey;
  names: boolean;
  jobs: number;
  failed: number;
  users: number;
  groups: FleetGroup[];
  clusters: FleetCluster[];
}

export interface FleetGroup {
  key: string;
  id: string;
  jobs: number;
  failed: number;
  users: number;
  lost_s: number;
  wait_p50_s: number;
}

export type Verdict = 'systemic' | 'one user' | 'spread' | 'too few' | '';

/** Failures that are alike. `sentence` says with its numbers whether they have a common cause; empty where nobody looked. */
export interface FleetCluster {
  id: string;
  signature: string;
  cause: string;
  failed: number;
  users: number;
  mine: boolean;
  lost_s: number;
  kind: Verdict;
  sentence: string;
}

/** `share` of each profile's jobs is to begin within its target. */
export interface FleetLevels {
  since: number;
  until: number;
  share: number;
  jobs: number;
  profiles: FleetProfile[];
  devices: { device: string; used_s: number; share: number }[];
  lost: { cause: string; seconds: number; jobs: number }[];
}

/** `met` is null where nothing ran or nothing is promised. */
export interface FleetProfile {
  profile: string;
  jobs: number;
  target_s: number | null;
  within: number | null;
  median_s: number | null;
  p95_s: number | null;
  met: boolean | null;
}
