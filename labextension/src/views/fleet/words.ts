import type { TranslationBundle } from '@jupyterlab/translation';

import type { FleetKey, Verdict } from '../../api/fleet';
import type { Tone } from '../../words';

export function verdictWord(kind: Verdict, trans: TranslationBundle): string {
  switch (kind) {
    case 'systemic':
      return trans.__('systemic');
    case 'one user':
      return trans.__("one user's");
    case 'spread':
      return trans.__('no common cause');
    case 'too few':
      return trans.__('too few to say');
    default:
      return '–';
  }
}

export function verdictTone(kind: Verdict): Tone {
  return kind === 'systemic'
    ? 'bad'
    : kind === 'one user'
      ? 'waiting'
      : 'quiet';
}

export function keyWord(key: FleetKey, trans: TranslationBundle): string {
  switch (key) {
    case 'device':
      return trans.__('Device');
    case 'node':
      return trans.__('Node');
    case 'cause':
      return trans.__('Cause');
    case 'signature':
      return trans.__('Failure');
    case 'version':
      return trans.__('Versions');
    case 'profile':
      return trans.__('Profile');
    case 'user':
      return trans.__('User');
  }
}

export function percent(share: number | null): string {
  return share === null ? '–' : `${(100 * share).toFixed(1)} %`;
}
