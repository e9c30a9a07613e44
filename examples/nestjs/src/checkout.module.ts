import { register } from "@evenkeel/grpc-js";
import { Module } from "@nestjs/common";
import { ClientsModule, Transport } from "@nestjs/microservices";
import { CheckoutService } from "./checkout.service.ts";
import { ordersClient, ordersPackage, ordersProto } from "./orders.ts";

register();

@Module({
  imports: [
    ClientsModule.register([
      {
        name: ordersClient,
        transport: Transport.GRPC,
        options: {
          url: "kubernetes:///orders:grpc",
          package: ordersPackage,
          protoPath: ordersProto,
          channelOptions: {
            "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ least_request: {} }] }),
          },
        },
      },
    ]),
  ],
  providers: [CheckoutService],
})
export class CheckoutModule {}
