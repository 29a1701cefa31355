%% Erlang/OTP: gen_tcp, a process for each connection, all cores.
%%
%% A message is framed once; every connection process gets a reference to the same binary, takes
%% all that its mailbox holds and sends it with one call (one writev in the driver). One process for
%% each scheduler passes messages on to its share of the connections, as Discord's Manifold does. A
%% connection process hibernates when it has nothing to do after its upgrade.
%%
%%     erl -noinput -s broadcast main PORT
-module(broadcast).
-export([main/1, connection/1, subscriber/2]).

-define(ACCEPTORS, 32).
-define(GUID, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").
-define(OPTIONS, [
    binary, {ip, {127, 0, 0, 1}}, {active, false}, {backlog, 65535}, {nodelay, true},
    {delay_send, false}, {buffer, 2048}, {send_timeout, 60000}, {send_timeout_close, true}
]).

main([Port]) ->
    os:set_signal(sigterm, default),
    Count = erlang:system_info(schedulers_online),
    Hubs = [spawn_opt(fun() -> hub(#{}) end, hub_options()) || _ <- lists:seq(1, Count)],
    persistent_term:put(hubs, list_to_tuple(Hubs)),
    {ok, Listener} = gen_tcp:listen(list_to_integer(atom_to_list(Port)), ?OPTIONS),
    [acceptor(Listener) || _ <- lists:seq(1, ?ACCEPTORS)],
    {ok, Bound} = inet:port(Listener),
    io:format("ready port=~b~n", [Bound]),
    Stdin = open_port({fd, 0, 0}, [in, eof]),
    receive {Stdin, eof} -> erlang:halt(0, [{flush, false}]) end.

hub_options() ->
    [link, {message_queue_data, off_heap}, {priority, high}].

%% Passes frames on to the connections that joined; knows when they are gone.

hub(Members) ->
    receive
        {publish, Frame} ->
            maps:foreach(fun(Member, _) -> Member ! Frame end, Members),
            hub(Members);
        {join, Member, Tag} ->
            erlang:monitor(process, Member),
            Member ! Tag,
            hub(Members#{Member => []});
        {'DOWN', _, process, Member, _} ->
            hub(maps:remove(Member, Members))
    end.

join() ->
    Hubs = persistent_term:get(hubs),
    Tag = make_ref(),
    element(1 + erlang:phash2(self(), tuple_size(Hubs)), Hubs) ! {join, self(), Tag},
    receive Tag -> ok end.

publish(Frame) ->
    [Hub ! {publish, Frame} || Hub <- tuple_to_list(persistent_term:get(hubs))].

%% An acceptor becomes the process of the connection it accepted and leaves another in its place:
%% no socket changes its owner.

acceptor(Listener) ->
    spawn_opt(?MODULE, connection, [Listener], [{fullsweep_after, 0}]).

connection(Listener) ->
    case gen_tcp:accept(Listener) of
        {ok, Socket} ->
            acceptor(Listener),
            upgrade(Socket, <<>>);
        {error, closed} ->
            ok;
        {error, _} -> % of this one connection
            connection(Listener)
    end.

upgrade(Socket, Seen) ->
    case gen_tcp:recv(Socket, 0) of
        {ok, Data} -> head(Socket, <<Seen/binary, Data/binary>>);
        {error, _} -> gone
    end.

head(Socket, Head) ->
    case binary:split(Head, <<"\r\n\r\n">>) of
        [_] ->
            upgrade(Socket, Head);
        [_, Rest] ->
            {ok, {http_request, 'GET', {abs_path, Path}, _}, Fields} =
                erlang:decode_packet(http_bin, Head, []),
            route(Path, Socket, key(Fields), Rest)
    end.

key(Fields) ->
    case erlang:decode_packet(httph_bin, Fields, []) of
        {ok, {http_header, _, <<"Sec-Websocket-Key">>, _, Key}, _} -> Key;
        {ok, {http_header, _, _, _, _}, Rest} -> key(Rest)
    end.

route(<<"/ws/", _/binary>>, Socket, Key, Rest) ->
    join(),
    accept(Socket, Key),
    inet:setopts(Socket, [{active, once}]),
    erlang:hibernate(?MODULE, subscriber, [Socket, binary:copy(Rest)]);
route(<<"/publish">>, Socket, Key, Rest) ->
    accept(Socket, Key),
    inet:setopts(Socket, [{active, true}, {buffer, 65536}]),
    publisher(Socket, Rest);
route(_, Socket, _, _) ->
    send(Socket, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").

accept(Socket, Key) ->
    Digest = base64:encode(crypto:hash(sha, [Key, ?GUID])),
    send(Socket, [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: ", Digest, "\r\n\r\n"
    ]).

subscriber(Socket, Seen) ->
    receive
        Frame when is_binary(Frame) ->
            send(Socket, [Frame | pending()]),
            subscriber(Socket, Seen);
        {tcp, Socket, Data} ->
            Rest = incoming(Socket, <<Seen/binary, Data/binary>>, fun(_) -> ok end),
            inet:setopts(Socket, [{active, once}]),
            erlang:hibernate(?MODULE, subscriber, [Socket, binary:copy(Rest)]);
        {tcp_closed, Socket} ->
            ok;
        {tcp_error, Socket, _} ->
            ok
    end.

send(Socket, Data) ->
    case gen_tcp:send(Socket, Data) of
        ok -> ok;
        {error, _} -> exit(normal) % gone, or too slow
    end.

pending() ->
    receive Frame when is_binary(Frame) -> [Frame | pending()] after 0 -> [] end.

publisher(Socket, Seen) ->
    Rest = incoming(Socket, Seen, fun(Message) -> publish(frame(2, Message)) end),
    receive
        {tcp, Socket, Data} -> publisher(Socket, <<Rest/binary, Data/binary>>);
        {tcp_closed, Socket} -> ok;
        {tcp_error, Socket, _} -> ok
    end.

%% Frames, RFC 6455, 5.2. What is left of an incomplete one comes back.

incoming(Socket, <<1:1, 0:3, Code:4, 1:1, Length:7, Rest/binary>> = All, Use) ->
    case payload(Length, Rest) of
        more ->
            All;
        {Data, Next} ->
            message(Code, Socket, Data, Use),
            incoming(Socket, Next, Use)
    end;
incoming(_, All, _) when byte_size(All) < 2 ->
    All.

payload(126, <<Size:16, Mask:32, Data:Size/binary, Rest/binary>>) -> {unmask(Mask, Data), Rest};
payload(127, <<Size:64, Mask:32, Data:Size/binary, Rest/binary>>) -> {unmask(Mask, Data), Rest};
payload(Size, Rest) when Size < 126 ->
    case Rest of
        <<Mask:32, Data:Size/binary, Next/binary>> -> {unmask(Mask, Data), Next};
        _ -> more
    end;
payload(_, _) -> more.

message(2, _, Data, Use) ->
    Use(Data);
message(8, Socket, Data, _) ->
    send(Socket, frame(8, Data)),
    exit(normal); % which closes the socket
message(9, Socket, Data, _) ->
    send(Socket, frame(10, Data));
message(_, _, _, _) ->
    ok.

unmask(Mask, Data) ->
    Size = byte_size(Data),
    Key = binary:part(binary:copy(<<Mask:32>>, Size div 4 + 1), 0, Size),
    crypto:exor(Data, Key).

frame(Code, Data) when byte_size(Data) < 126 ->
    <<1:1, 0:3, Code:4, (byte_size(Data)):8, Data/binary>>;
frame(Code, Data) when byte_size(Data) < 65536 ->
    <<1:1, 0:3, Code:4, 126:8, (byte_size(Data)):16, Data/binary>>;
frame(Code, Data) ->
    <<1:1, 0:3, Code:4, 127:8, (byte_size(Data)):64, Data/binary>>.
