import { setTimeout as sleep } from "node:timers/promises";
import { Controller } from "@nestjs/common";
import { GrpcMethod } from "@nestjs/microservices";
import type { GetOrderRequest, GetOrderResponse } from "./orders.ts";

const { POD_NAME: pod = "pod" } = process.env;

@Controller()
export class OrdersController {
  @GrpcMethod("OrderService")
  async getOrder({ id }: GetOrderRequest): Promise<GetOrderResponse> {
    await sleep(10);
    return { id, pod };
  }
}
