package peer

import (
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Listeners by name, beside "control".
const (
	Plain    = "plain"
	TLS      = "tls"
	Limited  = "limited"
	Retiring = "retiring"
)

const (
	// MaxStreams is the stream limit of the listener "limited".
	MaxStreams = 2
	// MaxAge is when the listener "retiring" retires a connection.
	MaxAge = 200 * time.Millisecond
	// MaxMessage is the size of the largest message, in bytes.
	MaxMessage = 64 << 20
)

// Server is what a library makes of a listener.
type Server interface {
	Serve(net.Listener) error
	// Stop retires its connections and lets RPCs finish.
	Stop()
}

// Run starts a server for each argument "name=port", says on stdout where they listen, and stops them at SIGTERM.
func Run(pod string, newServer func(name string, service *Service) Server) {
	services := map[string]*Service{}
	servers := []Server{}
	ports := map[string]int{}
	for _, arg := range os.Args[1:] {
		name, port, _ := strings.Cut(arg, "=")
		listener, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			log.Fatal(err)
		}
		ports[name] = listener.Addr().(*net.TCPAddr).Port
		if name == "control" {
			go http.Serve(listener, control(services))
			continue
		}
		services[name] = &Service{Pod: pod}
		server := newServer(name, services[name])
		servers = append(servers, server)
		go func() {
			if err := server.Serve(listener); err != nil && err != http.ErrServerClosed {
				log.Fatal(err)
			}
		}()
	}
	say(ports)

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	<-signals
	time.AfterFunc(5*time.Second, func() { log.Fatal("RPCs did not finish") })
	var stopped sync.WaitGroup
	for _, server := range servers {
		stopped.Add(1)
		go func() {
			defer stopped.Done()
			server.Stop()
		}()
	}
	stopped.Wait()
	final := map[string]Stats{}
	for name, service := range services {
		final[name] = service.Stats(false)
	}
	say(final)
}

// control answers GET /<listener> with its stats; DELETE also resets them.
func control(services map[string]*Service) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service, ok := services[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		json.NewEncoder(w).Encode(service.Stats(r.Method == http.MethodDelete))
	})
}

func say(what any) {
	line, err := json.Marshal(what)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(line))
}
