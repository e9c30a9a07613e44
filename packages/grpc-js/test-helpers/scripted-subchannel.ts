import { connectivityState, type experimental } from "@grpc/grpc-js";

type ChannelzRef = ReturnType<experimental.SubchannelInterface["getChannelzRef"]>;

/** A subchannel whose state the test sets. */
export class ScriptedSubchannel implements Partial<experimental.SubchannelInterface> {
  readonly address: experimental.SubchannelAddress;
  state: connectivityState = connectivityState.IDLE;
  refs = 0;
  /** How often it was told to connect. */
  dials = 0;
  readonly #listeners = new Set<experimental.ConnectivityStateListener>();
  readonly #watchers = new Set<experimental.HealthListener>();
  #isHealthy = true;

  constructor(address: experimental.SubchannelAddress) {
    this.address = address;
  }

  become(state: connectivityState, error?: string): void {
    const before = this.state;
    this.state = state;
    for (const listener of [...this.#listeners]) {
      listener(this as unknown as experimental.SubchannelInterface, before, state, 0, error);
    }
  }

  /** As the outlier detection of grpc-js has it. */
  becomeHealthy(isHealthy: boolean): void {
    this.#isHealthy = isHealthy;
    for (const watcher of [...this.#watchers]) watcher(isHealthy);
  }

  getConnectivityState(): connectivityState {
    return this.state;
  }

  addConnectivityStateListener(listener: experimental.ConnectivityStateListener): void {
    this.#listeners.add(listener);
  }

  removeConnectivityStateListener(listener: experimental.ConnectivityStateListener): void {
    this.#listeners.delete(listener);
  }

  startConnecting(): void {
    if (this.state !== connectivityState.IDLE) return;
    this.dials++;
    this.become(connectivityState.CONNECTING);
  }

  getAddress(): string {
    return "port" in this.address ? `${this.address.host}:${this.address.port}` : this.address.path;
  }

  ref(): void {
    this.refs++;
  }

  unref(): void {
    this.refs--;
  }

  getChannelzRef(): ChannelzRef {
    // its enumeration is not exported
    return { kind: "subchannel", id: 0, name: this.getAddress() } as unknown as ChannelzRef;
  }

  isHealthy(): boolean {
    return this.#isHealthy;
  }

  addHealthStateWatcher(watcher: experimental.HealthListener): void {
    this.#watchers.add(watcher);
  }

  removeHealthStateWatcher(watcher: experimental.HealthListener): void {
    this.#watchers.delete(watcher);
  }

  realSubchannelEquals(other: experimental.SubchannelInterface): boolean {
    return (other as unknown) === this;
  }
}
