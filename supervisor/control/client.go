package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"lastout/supervisor"
)

// Client talks to a running lastout over its control socket.
type Client struct {
	Path string
	http *http.Client
}

// NewClient makes a client of the socket at a path. Nothing is connected yet.
func NewClient(path string) *Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return &Client{Path: path, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dialer.DialContext(ctx, "unix", path) },
		Proxy:       nil, // whatever the environment says
	}}}
}

// Close gives the connections back that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Refused is a request that lastout did not do.
type Refused struct {
	Status int
	Text   string
	Faults []string // of a configuration
}

func (e *Refused) Error() string {
	return strings.Join(append([]string{e.Text}, e.Faults...), "\n")
}

// do sends a request, and gives the body of an answer that is no problem.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, body any) (io.ReadCloser, error) {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(text)
	}
	address := url.URL{Scheme: "http", Host: "lastout", Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, address.String(), sent)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var where *url.Error
		if errors.As(err, &where) {
			err = where.Err
		}
		return nil, err
	}
	if resp.StatusCode < 300 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	var p Problem
	if err := json.Unmarshal(text, &p); err != nil || p.Error == "" {
		p.Error = fmt.Sprintf("lastout answers %s", resp.Status)
	}
	return nil, &Refused{Status: resp.StatusCode, Text: p.Error, Faults: p.Faults}
}

// ask sends a request and reads its answer.
func ask[T any](ctx context.Context, c *Client, method, path string, query url.Values, body any) (*T, error) {
	answer, err := c.do(ctx, method, path, query, body)
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	got := new(T)
	if err := json.NewDecoder(answer).Decode(got); err != nil {
		return nil, fmt.Errorf("cannot read the answer of lastout: %w", err)
	}
	return got, nil
}

// lines reads the lines of an answer until there are no more.
func lines[T any](ctx context.Context, c *Client, path string, query url.Values, take func(T) error) error {
	answer, err := c.do(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return err
	}
	defer answer.Close()
	return readLines(answer, take)
}

func readLines[T any](from io.Reader, take func(T) error) error {
	dec := json.NewDecoder(bufio.NewReader(from))
	for {
		var one T
		switch err := dec.Decode(&one); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil // lastout ended
		case err != nil:
			return err
		}
		if err := take(one); err != nil {
			return err
		}
	}
}

// About says who answers.
func (c *Client) About(ctx context.Context) (*About, error) {
	return ask[About](ctx, c, http.MethodGet, "/v1/about", nil, nil)
}

// Status is the tree as it stands; of some processes and instances only, where names are given.
func (c *Client) Status(ctx context.Context, names []string, brief bool) (*Status, error) {
	query := url.Values{"name": names}
	if brief {
		query.Set("brief", "true")
	}
	return ask[Status](ctx, c, http.MethodGet, "/v1/status", query, nil)
}

// Down begins a shutdown.
func (c *Client) Down(ctx context.Context, r DownRequest) error {
	_, err := ask[Accepted](ctx, c, http.MethodPost, "/v1/down", nil, r)
	return err
}

// Operate asks for an operation: one of the requests there are, by the last part of its path. It answers when that has
// begun, or, where the request says so, when it is over.
func (c *Client) Operate(ctx context.Context, what string, request any) (*Operation, error) {
	return ask[Operation](ctx, c, http.MethodPost, "/v1/"+what, nil, request)
}

// PlanReload says what a reload would do now.
func (c *Client) PlanReload(ctx context.Context) (*supervisor.ReloadPlan, error) {
	return ask[supervisor.ReloadPlan](ctx, c, http.MethodGet, "/v1/reload", nil, nil)
}

// Wait waits until all that is named is "ready", or "stopped". Timeout 0 is none.
func (c *Client) Wait(ctx context.Context, names []string, what string, timeout time.Duration) (*Waited, error) {
	query := url.Values{"name": names, "for": {what}}
	if timeout > 0 {
		query.Set("timeout_ms", strconv.FormatInt(max(1, timeout.Milliseconds()), 10))
	}
	return ask[Waited](ctx, c, http.MethodGet, "/v1/wait", query, nil)
}

// EventsOptions say which events.
type EventsOptions struct {
	Follow bool
	Tail   int // so many of the last; negative: all that are kept
}

// Events reads reports until there are no more; take ends it by an error.
func (c *Client) Events(ctx context.Context, o EventsOptions, take func(supervisor.Report) error) error {
	query := url.Values{"follow": {strconv.FormatBool(o.Follow)}}
	if o.Tail >= 0 {
		query.Set("tail", strconv.Itoa(o.Tail))
	}
	return lines(ctx, c, "/v1/events", query, take)
}

// Follow reads the reports that come from now on, until there are no more. Once none can be missed any more it calls
// begin, which may make some come.
func (c *Client) Follow(ctx context.Context, begin func() error, take func(supervisor.Report) error) error {
	answer, err := c.do(ctx, http.MethodGet, "/v1/events", url.Values{"follow": {"true"}, "tail": {"0"}}, nil)
	if err != nil {
		return err
	}
	defer answer.Close()
	if err := begin(); err != nil {
		return err
	}
	return readLines(answer, take)
}

// LogsOptions say whose output, and which of it.
type LogsOptions struct {
	Names  []string
	Follow bool
	Tail   int       // so many lines of each; negative: all that are kept
	Since  time.Time // zero: whenever
}

// Logs reads output until there is no more; take ends it by an error.
func (c *Client) Logs(ctx context.Context, o LogsOptions, take func(Line) error) error {
	query := url.Values{"name": o.Names, "follow": {strconv.FormatBool(o.Follow)}}
	if o.Tail >= 0 {
		query.Set("tail", strconv.Itoa(o.Tail))
	}
	if !o.Since.IsZero() {
		query.Set("since", o.Since.Format(time.RFC3339Nano))
	}
	return lines(ctx, c, "/v1/logs", query, take)
}
