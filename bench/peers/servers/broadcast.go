// Go: gorilla/websocket, a goroutine for each connection, all cores.
//
// The hub goroutine of gorilla's chat example. A message is framed once, as a PreparedMessage is;
// WritePreparedMessage() would cost a system call for each message, so the hub takes all that wait
// and a connection writes what it has with one writev(). The one goroutine of a connection reads
// (pings, close); another exists only while there is something to write. Buffers are small, and the
// upgrade's own are freed by leaving the handler (gorilla/websocket, pull request 761).
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"

	"github.com/gorilla/websocket"
)

const (
	readBufferBytes  = 256 // a viewer sends pongs; the publisher's messages only pass through
	writeBufferBytes = 256 // for control frames, from the pool
	pendingMax       = 4096
	publishedMax     = 1024
)

var upgrader = websocket.Upgrader{
	ReadBufferSize:  readBufferBytes,
	WriteBufferSize: writeBufferBytes,
	WriteBufferPool: &sync.Pool{},
}

type subscriber struct {
	*websocket.Conn
	mutex   sync.Mutex
	pending net.Buffers // frames not yet written
	writing bool        // a goroutine is at it
}

func (s *subscriber) send(frames net.Buffers) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if len(s.pending) >= pendingMax {
		s.Close() // too slow: its read and its write end
		return
	}
	s.pending = append(s.pending, frames...)
	if !s.writing {
		s.writing = true
		go s.write()
	}
}

func (s *subscriber) write() {
	for {
		s.mutex.Lock()
		frames := s.pending
		s.pending = nil
		s.writing = len(frames) > 0
		s.mutex.Unlock()
		if len(frames) == 0 {
			return
		}
		// Whole frames: net.Conn serialises this with the pongs of the reader.
		if _, err := frames.WriteTo(s.UnderlyingConn()); err != nil {
			s.Close()
			return
		}
	}
}

type hub struct {
	sync.RWMutex
	members   map[*subscriber]struct{}
	published chan []byte
}

var stage = hub{
	members:   make(map[*subscriber]struct{}),
	published: make(chan []byte, publishedMax),
}

func (h *hub) run() {
	for frame := range h.published {
		runtime.Gosched() // let the publisher's goroutine finish what it has read
		frames := net.Buffers{frame}
		for len(h.published) > 0 {
			frames = append(frames, <-h.published)
		}
		h.RLock()
		for member := range h.members {
			member.send(frames)
		}
		h.RUnlock()
	}
}

func (h *hub) serve(member *subscriber) {
	defer member.Close()
	defer func() {
		h.Lock()
		delete(h.members, member)
		h.Unlock()
	}()
	for {
		if _, _, err := member.NextReader(); err != nil {
			return
		}
	}
}

func frameOf(message []byte) []byte {
	size := len(message)
	frame := make([]byte, 2, 10+size)
	frame[0] = 0x80 | websocket.BinaryMessage
	switch {
	case size < 126:
		frame[1] = byte(size)
	case size < 1<<16:
		frame[1] = 126
		frame = binary.BigEndian.AppendUint16(frame, uint16(size))
	default:
		frame[1] = 127
		frame = binary.BigEndian.AppendUint64(frame, uint64(size))
	}
	return append(frame, message...)
}

func publisher(connection *websocket.Conn) {
	defer connection.Close()
	for {
		kind, message, err := connection.ReadMessage()
		if err != nil {
			return
		}
		if kind == websocket.BinaryMessage {
			stage.published <- frameOf(message)
		}
	}
}

func subscribe(writer http.ResponseWriter, request *http.Request) {
	if connection, err := upgrader.Upgrade(writer, request, nil); err == nil {
		member := &subscriber{Conn: connection}
		stage.Lock()
		stage.members[member] = struct{}{}
		stage.Unlock()
		go stage.serve(member)
	}
}

func publish(writer http.ResponseWriter, request *http.Request) {
	if connection, err := upgrader.Upgrade(writer, request, nil); err == nil {
		go publisher(connection)
	}
}

func main() {
	http.HandleFunc("/ws/", subscribe)
	http.HandleFunc("/publish", publish)
	// The backlog is net.core.somaxconn.
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("ready port=%d\n", listener.Addr().(*net.TCPAddr).Port)
	go stage.run()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(http.Serve(listener, nil))
}
