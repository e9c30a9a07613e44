import "reflect-metadata";
import { type OrderClient, playRollout } from "@evenkeel/example-grpc-js/rollout";
import { NestFactory } from "@nestjs/core";
import { CheckoutModule } from "./checkout.module.ts";
import { CheckoutService } from "./checkout.service.ts";

async function checkout(): Promise<OrderClient> {
  const app = await NestFactory.createApplicationContext(CheckoutModule, { logger: ["error", "warn"] });
  const service = app.get(CheckoutService);
  return { getOrder: (id) => service.getOrder(id), close: () => app.close() };
}

await playRollout({ pod: new URL("./server.js", import.meta.url), clients: { NestJS: checkout } });
