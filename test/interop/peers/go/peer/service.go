// Package peer is what the two Go servers have in common: how DemoService behaves, and how a server is started, asked
// what it saw, and stopped. ../../program.ts tells the same for all languages.
package peer

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	demov1 "interop/gen/demo/v1"
)

// Stats is what a listener saw since it was last reset.
type Stats struct {
	// Charges that ran, also those that ran twice.
	Charges int `json:"charges"`
	// Different payloads among them.
	Unique int `json:"unique"`
	// RPCs that came with a deadline.
	Deadlines int `json:"deadlines"`
	// RPCs that were given up while their handler worked.
	Cancelled int `json:"cancelled"`
}

// Failure is an error as DemoService means it, for either library to translate.
type Failure struct {
	Code    uint32
	Message string
	Reason  string
	Detail  proto.Message
}

func (f *Failure) Error() string { return f.Message }

// Service is DemoService on one listener.
type Service struct {
	Pod string

	mu    sync.Mutex
	seen  map[string]bool
	stats Stats
}

// Stats returns what was seen, and forgets it on request.
func (s *Service) Stats(reset bool) Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	if reset {
		s.stats = Stats{}
		s.seen = nil
	}
	return stats
}

func (s *Service) Ping(ctx context.Context, req *demov1.PingRequest) (*demov1.PingResponse, error) {
	payload, err := s.perform(ctx, req.GetWork())
	if err != nil {
		return nil, err
	}
	if len(req.GetPayload()) > 0 {
		payload = req.GetPayload()
	}
	return &demov1.PingResponse{Pod: s.Pod, Payload: payload}, nil
}

func (s *Service) Charge(ctx context.Context, req *demov1.ChargeRequest) (*demov1.ChargeResponse, error) {
	if len(req.GetPayload()) == 1 {
		return nil, s.failure(9, "no funds ☂")
	}
	s.count(string(req.GetPayload()))
	payload, err := s.perform(ctx, req.GetWork())
	if err != nil {
		return nil, err
	}
	return &demov1.ChargeResponse{Pod: s.Pod, Payload: payload}, nil
}

func (s *Service) Count(ctx context.Context, req *demov1.CountRequest, send func(*demov1.CountResponse) error) error {
	if req.GetTo() == 0 {
		return s.failure(3, "nothing to count")
	}
	for number := uint32(1); number <= req.GetTo(); number++ {
		if number == 13 {
			return s.failure(15, "unlucky")
		}
		payload, err := s.perform(ctx, req.GetWork())
		if err != nil {
			return err
		}
		if err := send(&demov1.CountResponse{Pod: s.Pod, Number: number, Payload: payload}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) Collect(
	ctx context.Context,
	receive func() (*demov1.CollectRequest, error),
) (*demov1.CollectResponse, error) {
	response := &demov1.CollectResponse{Pod: s.Pod}
	var last *demov1.Work
	for {
		req, err := receive()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		response.Sum += uint64(req.GetNumber())
		response.Received++
		last = req.GetWork()
	}
	payload, err := s.perform(ctx, last)
	response.Payload = payload
	return response, err
}

func (s *Service) Chat(
	ctx context.Context,
	receive func() (*demov1.ChatRequest, error),
	send func(*demov1.ChatResponse) error,
) error {
	for {
		req, err := receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		payload, err := s.perform(ctx, req.GetWork())
		if err != nil {
			return err
		}
		if err := send(&demov1.ChatResponse{Pod: s.Pod, Text: req.GetText(), Payload: payload}); err != nil {
			return err
		}
	}
}

func (s *Service) perform(ctx context.Context, work *demov1.Work) ([]byte, error) {
	if _, ok := ctx.Deadline(); ok {
		s.note(func(stats *Stats) { stats.Deadlines++ })
	}
	if delay := work.GetDelayMs(); delay > 0 {
		select {
		case <-time.After(time.Duration(delay) * time.Millisecond):
		case <-ctx.Done():
			s.note(func(stats *Stats) { stats.Cancelled++ })
			return nil, ctx.Err()
		}
	}
	return make([]byte, work.GetPayloadBytes()), nil
}

func (s *Service) failure(code uint32, message string) *Failure {
	return &Failure{Code: code, Message: message, Reason: "poor", Detail: &demov1.ChargeResponse{Pod: s.Pod}}
}

func (s *Service) count(payload string) {
	s.note(func(stats *Stats) {
		if s.seen == nil {
			s.seen = map[string]bool{}
		}
		stats.Charges++
		if !s.seen[payload] {
			s.seen[payload] = true
			stats.Unique++
		}
	})
}

func (s *Service) note(change func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.stats)
}
