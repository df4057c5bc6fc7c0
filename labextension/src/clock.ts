type Listener = () => void;

/** One tick a second for every age on the page; it stands still while nobody shows one or the page is hidden. */
export class Clock {
  /** Seconds since 1970, UTC, of the last tick. */
  now = (): number => {
    if (this._listeners.size === 0 && Date.now() / 1000 - this._now > 1) {
      this._read(); // it has stood still
    }
    return this._now;
  };

  /** Returns what ends it. */
  subscribe = (listener: Listener): Listener => {
    if (this._listeners.size === 0) {
      this._read();
      this._timer = setInterval(this._tick, 1000);
      document.addEventListener('visibilitychange', this._tick);
    }
    this._listeners.add(listener);
    return () => {
      this._listeners.delete(listener);
      if (this._listeners.size === 0) {
        clearInterval(this._timer);
        document.removeEventListener('visibilitychange', this._tick);
      }
    };
  };

  private _tick = (): void => {
    if (!document.hidden) {
      this._read();
      this._listeners.forEach(listener => listener());
    }
  };

  private _read(): void {
    this._now = Date.now() / 1000;
  }

  private readonly _listeners = new Set<Listener>();
  private _now = Date.now() / 1000;
  private _timer: ReturnType<typeof setInterval> | undefined;
}

/** The clock of this page. */
export const clock = new Clock();
