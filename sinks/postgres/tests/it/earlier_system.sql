CREATE TABLE public.config_cache (
    key text NOT NULL,
    value jsonb NOT NULL,
    last_updated timestamp without time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.inverter_data (
    id bigint NOT NULL,
    serial_number text NOT NULL,
    "timestamp" timestamp without time zone DEFAULT now() NOT NULL,
    grid_voltage real,
    grid_frequency real,
    temperature real,
    operating_status integer,
    alarm_code integer,
    alarm_count integer,
    link_status integer,
    raw_data jsonb
);
CREATE SEQUENCE public.inverter_data_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.inverter_data_id_seq OWNED BY public.inverter_data.id;
CREATE TABLE public.inverters (
    serial_number text NOT NULL,
    dtu_name text,
    first_seen timestamp without time zone DEFAULT now() NOT NULL,
    last_seen timestamp without time zone DEFAULT now() NOT NULL,
    inverter_type text,
    metadata jsonb
);
CREATE TABLE public.port_data (
    id bigint NOT NULL,
    serial_number text NOT NULL,
    port_number integer NOT NULL,
    "timestamp" timestamp without time zone DEFAULT now() NOT NULL,
    pv_voltage real,
    pv_current real,
    pv_power real,
    today_production integer,
    total_production integer,
    raw_data jsonb
);
CREATE SEQUENCE public.port_data_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.port_data_id_seq OWNED BY public.port_data.id;
CREATE TABLE public.production_cache (
    serial_number text NOT NULL,
    port_number integer NOT NULL,
    today_production integer NOT NULL,
    total_production integer NOT NULL,
    last_updated timestamp without time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.system_metrics (
    id bigint NOT NULL,
    "timestamp" timestamp without time zone DEFAULT now() NOT NULL,
    metric_name text NOT NULL,
    metric_value real NOT NULL,
    tags jsonb
);
CREATE SEQUENCE public.system_metrics_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.system_metrics_id_seq OWNED BY public.system_metrics.id;
ALTER TABLE ONLY public.inverter_data ALTER COLUMN id SET DEFAULT nextval('public.inverter_data_id_seq'::regclass);
ALTER TABLE ONLY public.port_data ALTER COLUMN id SET DEFAULT nextval('public.port_data_id_seq'::regclass);
ALTER TABLE ONLY public.system_metrics ALTER COLUMN id SET DEFAULT nextval('public.system_metrics_id_seq'::regclass);
ALTER TABLE ONLY public.config_cache
    ADD CONSTRAINT config_cache_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.inverter_data
    ADD CONSTRAINT inverter_data_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.inverters
    ADD CONSTRAINT inverters_pkey PRIMARY KEY (serial_number);
ALTER TABLE ONLY public.port_data
    ADD CONSTRAINT port_data_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.production_cache
    ADD CONSTRAINT production_cache_pkey PRIMARY KEY (serial_number, port_number);
ALTER TABLE ONLY public.system_metrics
    ADD CONSTRAINT system_metrics_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.inverter_data
    ADD CONSTRAINT inverter_data_serial_number_fkey FOREIGN KEY (serial_number) REFERENCES public.inverters(serial_number);
ALTER TABLE ONLY public.port_data
    ADD CONSTRAINT port_data_serial_number_fkey FOREIGN KEY (serial_number) REFERENCES public.inverters(serial_number);
ALTER TABLE ONLY public.production_cache
    ADD CONSTRAINT production_cache_serial_number_fkey FOREIGN KEY (serial_number) REFERENCES public.inverters(serial_number);
