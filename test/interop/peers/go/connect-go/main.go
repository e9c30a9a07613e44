// A DemoService of connectrpc.com/connect on net/http's HTTP/2.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"connectrpc.com/connect"

	demov1 "interop/gen/demo/v1"
	"interop/gen/demo/v1/demov1connect"
	"interop/peer"
)

func main() {
	peer.Run("connect-go", func(name string, service *peer.Service) peer.Server {
		mux := http.NewServeMux()
		mux.Handle(demov1connect.NewDemoServiceHandler(&demo{service}, connect.WithReadMaxBytes(peer.MaxMessage)))
		s := &http.Server{Handler: mux, Protocols: new(http.Protocols), HTTP2: &http.HTTP2Config{}}
		s.Protocols.SetUnencryptedHTTP2(name != peer.TLS)
		s.Protocols.SetHTTP2(name == peer.TLS)
		switch name {
		case peer.TLS:
			certificate, err := tls.LoadX509KeyPair(os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY"))
			if err != nil {
				log.Fatal(err)
			}
			s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
		case peer.Limited:
			s.HTTP2.MaxConcurrentStreams = peer.MaxStreams
		case peer.Retiring:
			retire(s)
		}
		return server{s}
	})
}

type acceptedKey struct{}

// retire makes the server send GOAWAY with the first response on a connection that is old enough.
func retire(s *http.Server) {
	s.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, acceptedKey{}, time.Now())
	}
	handler := s.Handler
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if time.Since(r.Context().Value(acceptedKey{}).(time.Time)) > peer.MaxAge {
			w.Header().Set("Connection", "close")
		}
		handler.ServeHTTP(w, r)
	})
}

type server struct{ http *http.Server }

func (s server) Serve(listener net.Listener) error {
	if s.http.TLSConfig != nil {
		return s.http.ServeTLS(listener, "", "")
	}
	return s.http.Serve(listener)
}

func (s server) Stop() {
	if err := s.http.Shutdown(context.Background()); err != nil {
		log.Print(err)
	}
}

type demo struct{ service *peer.Service }

func (d *demo) Ping(
	ctx context.Context,
	req *connect.Request[demov1.PingRequest],
) (*connect.Response[demov1.PingResponse], error) {
	response, err := d.service.Ping(ctx, req.Msg)
	if err != nil {
		return nil, toError(err)
	}
	return connect.NewResponse(response), nil
}

func (d *demo) Charge(
	ctx context.Context,
	req *connect.Request[demov1.ChargeRequest],
) (*connect.Response[demov1.ChargeResponse], error) {
	message, err := d.service.Charge(ctx, req.Msg)
	if err != nil {
		return nil, toError(err)
	}
	response := connect.NewResponse(message)
	response.Header().Set("x-header", "h")
	response.Trailer().Set("x-trailer", "t")
	return response, nil
}

func (d *demo) Count(
	ctx context.Context,
	req *connect.Request[demov1.CountRequest],
	stream *connect.ServerStream[demov1.CountResponse],
) error {
	return toError(d.service.Count(ctx, req.Msg, stream.Send))
}

func (d *demo) Collect(
	ctx context.Context,
	stream *connect.ClientStream[demov1.CollectRequest],
) (*connect.Response[demov1.CollectResponse], error) {
	response, err := d.service.Collect(ctx, func() (*demov1.CollectRequest, error) {
		if stream.Receive() {
			return stream.Msg(), nil
		}
		if err := stream.Err(); err != nil {
			return nil, err
		}
		return nil, io.EOF
	})
	if err != nil {
		return nil, toError(err)
	}
	return connect.NewResponse(response), nil
}

func (d *demo) Chat(ctx context.Context, stream *connect.BidiStream[demov1.ChatRequest, demov1.ChatResponse]) error {
	return toError(d.service.Chat(ctx, stream.Receive, stream.Send))
}

func toError(err error) error {
	var failure *peer.Failure
	if !errors.As(err, &failure) {
		return err
	}
	translated := connect.NewError(connect.Code(failure.Code), failure)
	translated.Meta().Set("x-reason", failure.Reason)
	detail, detailErr := connect.NewErrorDetail(failure.Detail)
	if detailErr != nil {
		return detailErr
	}
	translated.AddDetail(detail)
	return translated
}
