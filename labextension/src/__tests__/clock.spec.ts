import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { Clock } from '../clock';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

it('ticks once a second for all who listen, and not for nobody', () => {
  const clock = new Clock();
  const [one, two] = [vi.fn(), vi.fn()];
  const [end, endToo] = [clock.subscribe(one), clock.subscribe(two)];
  const began = clock.now();
  vi.advanceTimersByTime(3000);
  expect([one.mock.calls.length, two.mock.calls.length]).toEqual([3, 3]);
  expect(clock.now() - began).toBeCloseTo(3);
  end();
  endToo();
  expect(vi.getTimerCount()).toBe(0);
});

it('stands still while the page is hidden, and is right again at once when it is shown', () => {
  const clock = new Clock();
  const seen = vi.fn();
  const end = clock.subscribe(seen);
  const hidden = vi.spyOn(document, 'hidden', 'get').mockReturnValue(true);
  const began = clock.now();
  vi.advanceTimersByTime(60_000);
  expect(seen).not.toHaveBeenCalled();
  hidden.mockReturnValue(false);
  document.dispatchEvent(new Event('visibilitychange'));
  expect(clock.now() - began).toBeCloseTo(60);
  hidden.mockRestore();
  end();
});

it('is right for the first who looks after a long time without listeners', () => {
  const clock = new Clock();
  vi.advanceTimersByTime(3_600_000);
  expect(clock.now()).toBeCloseTo(Date.now() / 1000);
});
