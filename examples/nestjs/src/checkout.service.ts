import { Inject, Injectable, type OnModuleInit } from "@nestjs/common";
import type { ClientGrpc } from "@nestjs/microservices";
import { firstValueFrom } from "rxjs";
import { type OrderService, ordersClient } from "./orders.ts";

@Injectable()
export class CheckoutService implements OnModuleInit {
  readonly #client: ClientGrpc;
  #orders!: OrderService;

  constructor(@Inject(ordersClient) client: ClientGrpc) {
    this.#client = client;
  }

  onModuleInit(): void {
    this.#orders = this.#client.getService<OrderService>("OrderService");
  }

  /** Resolves to the pod that answered. */
  async getOrder(id: string): Promise<string> {
    const { pod } = await firstValueFrom(this.#orders.getOrder({ id }));
    return pod;
  }
}
