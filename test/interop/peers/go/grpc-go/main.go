// A DemoService of google.golang.org/grpc.
package main

import (
	"context"
	"errors"
	"log"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	demov1 "interop/gen/demo/v1"
	"interop/peer"
)

func main() {
	peer.Run("grpc-go", func(name string, service *peer.Service) peer.Server {
		options := []grpc.ServerOption{grpc.MaxRecvMsgSize(peer.MaxMessage), grpc.MaxSendMsgSize(peer.MaxMessage)}
		switch name {
		case peer.TLS:
			certificate, err := credentials.NewServerTLSFromFile(os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY"))
			if err != nil {
				log.Fatal(err)
			}
			options = append(options, grpc.Creds(certificate))
		case peer.Limited:
			options = append(options, grpc.MaxConcurrentStreams(peer.MaxStreams))
		case peer.Retiring:
			options = append(options, grpc.KeepaliveParams(keepalive.ServerParameters{
				MaxConnectionAge:      peer.MaxAge,
				MaxConnectionAgeGrace: 10 * time.Second,
			}))
		}
		s := grpc.NewServer(options...)
		demov1.RegisterDemoServiceServer(s, &demo{service: service})
		return server{s}
	})
}

type server struct{ grpc *grpc.Server }

func (s server) Serve(listener net.Listener) error { return s.grpc.Serve(listener) }
func (s server) Stop()                             { s.grpc.GracefulStop() }

type demo struct {
	demov1.UnimplementedDemoServiceServer
	service *peer.Service
}

func (d *demo) Ping(ctx context.Context, req *demov1.PingRequest) (*demov1.PingResponse, error) {
	response, err := d.service.Ping(ctx, req)
	return response, toStatus(ctx, err)
}

func (d *demo) Charge(ctx context.Context, req *demov1.ChargeRequest) (*demov1.ChargeResponse, error) {
	response, err := d.service.Charge(ctx, req)
	if err == nil {
		grpc.SetHeader(ctx, metadata.Pairs("x-header", "h"))
		grpc.SetTrailer(ctx, metadata.Pairs("x-trailer", "t"))
	}
	return response, toStatus(ctx, err)
}

func (d *demo) Count(req *demov1.CountRequest, stream grpc.ServerStreamingServer[demov1.CountResponse]) error {
	return toStatus(stream.Context(), d.service.Count(stream.Context(), req, stream.Send))
}

func (d *demo) Collect(stream grpc.ClientStreamingServer[demov1.CollectRequest, demov1.CollectResponse]) error {
	response, err := d.service.Collect(stream.Context(), stream.Recv)
	if err != nil {
		return toStatus(stream.Context(), err)
	}
	return stream.SendAndClose(response)
}

func (d *demo) Chat(stream grpc.BidiStreamingServer[demov1.ChatRequest, demov1.ChatResponse]) error {
	return toStatus(stream.Context(), d.service.Chat(stream.Context(), stream.Recv, stream.Send))
}

func toStatus(ctx context.Context, err error) error {
	var failure *peer.Failure
	if !errors.As(err, &failure) {
		return err
	}
	grpc.SetTrailer(ctx, metadata.Pairs("x-reason", failure.Reason))
	described, detailErr := status.New(codes.Code(failure.Code), failure.Message).
		WithDetails(protoadapt.MessageV1Of(failure.Detail))
	if detailErr != nil {
		return detailErr
	}
	return described.Err()
}
