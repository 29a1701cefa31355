// Go: gorilla/websocket, a goroutine for each connection, all cores.
//
// A message is framed once, as a PreparedMessage is; WritePreparedMessage() would cost a system
// call for each message, so a connection that has several pending writes them with one writev().
// The one goroutine of a connection reads (pings, close); another exists only while there is
// something to write. Buffers are small, and the upgrade's own are freed by leaving the handler
// (gorilla/websocket, pull request 761, examples/bufferpool).
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	readBufferBytes  = 256 // a viewer sends pongs; the publisher's messages only pass through
	writeBufferBytes = 256 // for control frames, from the pool
	pendingMax       = 4096
	writeTimeout     = 60 * time.Second
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

func (s *subscriber) send(frame []byte) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if len(s.pending) >= pendingMax {
		s.Close() // too slow: the reader sees it and leaves
		return
	}
	s.pending = append(s.pending, frame)
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
		s.UnderlyingConn().SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := frames.WriteTo(s.UnderlyingConn()); err != nil {
			s.Close()
			return
		}
	}
}

type hub struct {
	sync.RWMutex
	members map[*subscriber]struct{}
}

var stage = hub{members: make(map[*subscriber]struct{})}

func (h *hub) publish(frame []byte) {
	h.RLock()
	defer h.RUnlock()
	for member := range h.members {
		member.send(frame)
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
			stage.publish(frameOf(message))
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
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(http.Serve(listener, nil))
}
